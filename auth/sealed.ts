/** Texts that only the control plane reads: what is kept of them in the database says nothing to who reads that alone. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { HdcsError } from '../lib/errors.ts'

/** AES-256-GCM (NIST SP 800-38D): 96 bits of nonce, 128 of tag. */
const algorithm = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/** Of the key that every control process has. A gateway has it too, and no way to the database. */
const keyOf = (ticketKey: Uint8Array) => Buffer.from(hkdfSync('sha256', ticketKey, '', 'hdcs sealed text', 32))

/** @param about what it belongs to: put beside something else it does not open. */
export function textSeal(text: string, ticketKey: Uint8Array, about: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, keyOf(ticketKey), nonce).setAAD(Buffer.from(about))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** @throws HdcsError `invalid` when it was sealed with another key, or for something else. */
export function textOpen(sealed: string, ticketKey: Uint8Array, about: string): string {
  const bytes = Buffer.from(sealed, 'base64url')
  const [nonce, rest] = [bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes)]
  try {
    const decipher = createDecipheriv(algorithm, keyOf(ticketKey), nonce).setAAD(Buffer.from(about))
    decipher.setAuthTag(rest.subarray(0, tagBytes))
    return Buffer.concat([decipher.update(rest.subarray(tagBytes)), decipher.final()]).toString('utf8')
  } catch (cause) {
    const text = 'A password that was kept cannot be read: the key of this installation is another. Give it anew.'
    throw new HdcsError('invalid', text, { cause })
  }
}
