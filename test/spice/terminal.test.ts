import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeTerminal } from '../../spice/terminal.ts'

const size = { columns: 10, rows: 3 }
function shown(...parts: string[]) {
  const terminal = makeTerminal(size)
  for (const part of parts) terminal.feed(new TextEncoder().encode(part))
  return { text: terminal.lines().map(line => line.map(({ text }) => text).join('')), cursor: terminal.cursor() }
}

describe('a terminal', () => {
  it.each<[string, string, string[]]>([
    ['lines', 'a\r\nb', ['a', 'b']],
    ['a line feed alone, which stays in its column', 'ab\nc', ['ab', '  c']],
    ['what is too long for a line', '0123456789ab', ['0123456789', 'ab']],
    ['backspaces', 'abc\b\bx', ['axc']],
    ['tabs', 'a\tb', ['a       b']],
    ['what is written over', 'abc\rx', ['xbc']],
    ['a cleared rest of a line', 'abcdef\x1b[3D\x1b[K', ['abc']],
    ['a cleared screen', 'abc\r\ndef\x1b[2J\x1b[Hx', ['x', '', '']],
    ['a place on the screen', '\x1b[2;3Hx', ['', '  x']],
    ['letters of other languages', 'é桌', ['é桌']],
    ['sequences it does not know', '\x1b[?25l\x1b(Ba\x1b]0;title\x07b\x1b[99z', ['ab']],
    ['a page turned back, as less does', 'b\r\nc\r\nd\x1b[H\x1bMa', ['a', 'b', 'c']],
    ['lines that come in and go, as vi does', 'a\r\nb\r\nc\x1b[1;1H\x1b[L1\x1b[2;1H\x1b[M', ['1', 'b', '']],
    ['the same within what scrolls', 'a\r\nb\r\nc\x1b[1;2r\x1b[H\x1b[L', ['', 'a', 'c']],
    ['characters that come in, and what leaves the line', '0123456789\r\x1b[2@ab', ['ab01234567']],
    ['what is written in the middle of a line, as readline does', 'ac\b\x1b[4hb\x1b[4l', ['abc']],
    ['the next line', 'ab\x1bEc\x1bDd', ['ab', 'c', ' d']],
    ['a part that scrolls', '1\r\n2\r\n3\x1b[1;2r\x1b[2H\nx', ['2', 'x', '3']],
  ])('shows %s', (_title, text, lines) => {
    expect(shown(text).text.map(line => line.trimEnd())).toEqual(lines.map(line => line.trimEnd()))
  })

  it('keeps what went over its upper edge', () => {
    const { text, cursor } = shown('1\r\n2\r\n3\r\n4')
    expect(text).toEqual(['1', '2', '3', '4'])
    expect(cursor).toEqual({ line: 3, column: 1 })
  })

  it('answers who asks where the cursor is and what it is, and says when arrows are an application’s', () => {
    const terminal = makeTerminal(size)
    const feed = (text: string) => terminal.feed(new TextEncoder().encode(text))
    expect(feed('abc')).toBe('')
    expect(feed('\x1b[999;999H\x1b[6n')).toBe('\x1b[3;10R')
    expect(feed('\x1b[5n\x1b[c')).toBe('\x1b[0n\x1b[?6c')
    expect(terminal.applicationKeys()).toBe(false)
    feed('\x1b[?1h\x1b=')
    expect(terminal.applicationKeys()).toBe(true)
    feed('\x1b[?1l\x1b>')
    expect(terminal.applicationKeys()).toBe(false)
  })

  it('colours what follows, until it is told otherwise', () => {
    const terminal = makeTerminal(size)
    terminal.feed(new TextEncoder().encode('\x1b[1;31ma\x1b[7mb\x1b[0mc\x1b[92;44md'))
    expect(terminal.lines()[0]?.map(({ style }) => style)).toEqual([
      { ink: 1, paper: null, bold: true, inverse: false },
      { ink: 1, paper: null, bold: true, inverse: true },
      { ink: null, paper: null, bold: false, inverse: false },
      { ink: 10, paper: 4, bold: false, inverse: false },
    ])
  })

  it('shows the same however the bytes are cut, and holds whatever comes', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '\x1b[',
        '\x1b[2J',
        '\x1b[999;999H',
        '\x1b[r',
        '\x1b[2;1r',
        '\x1b[99999P',
        '\x1b[99999L',
        '\x1b[9M',
        '\x1b[99@',
        '\x1b[4h',
        '\x1bM',
        '\n',
        '\r',
        '\x1b]',
        '桌',
      ),
      fc.string({ maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), pieces => {
        const bytes = new TextEncoder().encode(pieces.join(''))
        const whole = makeTerminal(size)
        whole.feed(bytes)
        const cut = makeTerminal(size)
        for (const byte of bytes) cut.feed(Uint8Array.of(byte))
        expect(cut.lines()).toEqual(whole.lines())
        const { line, column } = whole.cursor()
        expect(line).toBeLessThan(whole.lines().length + size.rows)
        expect(column).toBeLessThan(size.columns)
        for (const cells of whole.lines()) expect(cells.length).toBeLessThanOrEqual(size.columns)
      }),
    )
  })
})
