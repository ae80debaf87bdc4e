import { expect, it } from 'vitest'
import { consoleBytes } from '../../web/admin/console-keys.ts'

const bare = { ctrlKey: false, altKey: false, shiftKey: false, metaKey: false }
const key = (name: string, held: { ctrl?: boolean; alt?: boolean; shift?: boolean; meta?: boolean } = {}) =>
  consoleBytes({
    key: name,
    ctrlKey: held.ctrl === true,
    altKey: held.alt === true,
    shiftKey: held.shift === true,
    metaKey: held.meta === true,
  })

it.each<[string, string | null, string | null]>([
  ['a letter', key('a'), 'a'],
  ['one of another language', key('ö'), 'ö'],
  ['Enter', key('Enter'), '\r'],
  ['Ctrl C', key('c', { ctrl: true }), '\x03'],
  ['Ctrl ]', key(']', { ctrl: true }), '\x1d'],
  ['an arrow', key('ArrowUp'), '\x1b[A'],
  ['an arrow in a full-screen program', consoleBytes({ ...bare, key: 'ArrowUp' }, true), '\x1bOA'],
  ['a page key in one', consoleBytes({ ...bare, key: 'PageUp' }, true), '\x1b[5~'],
  ['Ctrl Space', key(' ', { ctrl: true }), '\0'],
  ['Alt and a letter', key('b', { alt: true }), '\x1bb'],
  ['what AltGr writes', key('@', { ctrl: true, alt: true }), '@'],
  ['Tab', key('Tab'), '\t'],
  ['Shift Tab, which leaves the terminal', key('Tab', { shift: true }), null],
  ['copying', key('C', { ctrl: true, shift: true }), null],
  ['keys of the browser', key('r', { meta: true }), null],
  ['Shift alone', key('Shift', { shift: true }), null],
])('sends %s as a serial terminal does', (_title, sent, bytes) => expect(sent).toBe(bytes))
