/** What a key of a keyboard is on a serial line, as a vt102 sends it. */
const named: Record<string, string> = {
  Enter: '\r',
  Backspace: '\x7f',
  Tab: '\t',
  Escape: '\x1b',
  ArrowUp: '\x1b[A',
  ArrowDown: '\x1b[B',
  ArrowRight: '\x1b[C',
  ArrowLeft: '\x1b[D',
  Home: '\x1b[H',
  End: '\x1b[F',
  Insert: '\x1b[2~',
  Delete: '\x1b[3~',
  PageUp: '\x1b[5~',
  PageDown: '\x1b[6~',
  F1: '\x1bOP',
  F2: '\x1bOQ',
  F3: '\x1bOR',
  F4: '\x1bOS',
  F5: '\x1b[15~',
  F6: '\x1b[17~',
  F7: '\x1b[18~',
  F8: '\x1b[19~',
  F9: '\x1b[20~',
  F10: '\x1b[21~',
  F12: '\x1b[24~',
}

/** The same where a full-screen program asked for it (DECCKM). */
const moving: Record<string, string> = {
  ArrowUp: '\x1bOA',
  ArrowDown: '\x1bOB',
  ArrowRight: '\x1bOC',
  ArrowLeft: '\x1bOD',
  Home: '\x1bOH',
  End: '\x1bOF',
}

interface Key {
  key: string
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
  shiftKey: boolean
}

/** @param application the program there asked for arrows as applications read them. @returns null for what stays the browser's: leaving by Shift Tab, copying, pasting, and keys alone. */
export function consoleBytes({ key, ctrlKey, altKey, metaKey, shiftKey }: Key, application = false): string | null {
  if (metaKey || (key === 'Tab' && shiftKey)) return null
  // Ctrl Shift C and V, as in every terminal.
  if (ctrlKey && shiftKey) return null
  if (ctrlKey && !altKey && /^[a-z@[\\\]^_ ]$/i.test(key))
    return String.fromCharCode(key.toUpperCase().charCodeAt(0) & 31)
  // AltGr writes characters, and says Ctrl Alt.
  const moved = application ? moving[key] : undefined
  const text = moved ?? named[key] ?? ([...key].length === 1 ? key : null)
  return text !== null && altKey && !ctrlKey ? `\x1b${text}` : text
}
