import { randomInt } from 'node:crypto'

/** No 0/o, 1/l/i: read from a screen and typed without doubt. 31 signs carry 4.95 bits each. */
const signs = 'abcdefghjkmnpqrstuvwxyz23456789'
const groups = 5
const groupLength = 4

/** A password for people to copy once: 20 signs in groups, 99 bits. */
export function passphraseMake(): string {
  const group = () => Array.from({ length: groupLength }, () => signs[randomInt(signs.length)]).join('')
  return Array.from({ length: groups }, group).join('-')
}
