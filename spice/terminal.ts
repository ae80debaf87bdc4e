/**
 * A terminal as serial consoles of Linux need one: fed bytes, it holds lines of styled text and a cursor. The part of
 * ECMA-48 that shells, boot loaders and full-screen text programs use (vt102 without character sets); the rest is passed over.
 */

export interface Style {
  /** 0 to 7, bright ones 8 to 15; null: the page's own. */
  ink: number | null
  paper: number | null
  bold: boolean
  inverse: boolean
}
export interface Cell {
  text: string
  style: Style
}

const plain: Style = { ink: null, paper: null, bold: false, inverse: false }
/** Lines above the screen. Higher: a page open for days holds that much more; lower: a boot's beginning is gone. */
const keptLines = 2_000
const tabWidth = 8
/** Longer sequences are none. */
const maxSequence = 64

export interface Terminal {
  /** @returns what it answers by itself, where it was asked for its place or its kind: shells and editors wait for that. */
  feed(bytes: Uint8Array): string
  /** All that is kept, the screen last. A line ends with its last written cell. */
  lines(): readonly (readonly Cell[])[]
  /** In `lines()`. */
  cursor(): { line: number; column: number }
  /** A full-screen program asked for arrows as an application reads them (DECCKM). */
  applicationKeys(): boolean
}

export function makeTerminal({ columns, rows }: { columns: number; rows: number }): Terminal {
  const decoder = new TextDecoder()
  const lines: Cell[][] = [[]]
  let style = plain
  let top = 0
  let row = 0
  let column = 0
  /** Rows that scroll, the last one included. */
  let region: [first: number, last: number] = [0, rows - 1]
  let sequence = ''
  let saved = { row: 0, column: 0 }
  let applicationKeys = false
  /** What is written moves what stands there to the right (IRM). */
  let inserting = false
  let answers = ''

  const clamp = (value: number, most: number) => Math.max(0, Math.min(most, value))
  const lineAt = (at: number): Cell[] => {
    while (lines.length <= top + at) lines.push([])
    return lines[top + at] ?? []
  }
  const move = (toRow: number, toColumn: number) => {
    row = clamp(toRow, rows - 1)
    column = clamp(toColumn, columns - 1)
  }
  function down(): void {
    if (row !== region[1]) {
      move(row + 1, column)
      return
    }
    lineAt(rows - 1)
    if (region[0] === 0 && region[1] === rows - 1) {
      lines.push([])
      top++
      if (lines.length > keptLines) top -= lines.splice(0, lines.length - keptLines).length
    } else {
      lines.splice(top + region[1] + 1, 0, [])
      lines.splice(top + region[0], 1)
    }
  }
  function up(): void {
    if (row === region[0]) shift(region[0], 1)
    else move(row - 1, column)
  }
  /** Empty lines come in at a row, and as many leave at the end of what scrolls; of fewer than none: the reverse. */
  function shift(at: number, count: number): void {
    if (at < region[0] || at > region[1]) return
    lineAt(rows - 1)
    const many = Math.min(Math.abs(count), region[1] - at + 1)
    const [from, to] = count > 0 ? [region[1] - many + 1, at] : [at, region[1] - many + 1]
    lines.splice(top + from, many)
    lines.splice(top + to, 0, ...Array.from({ length: many }, () => []))
  }
  /** Room for so many cells where the cursor is; what leaves the line is gone. */
  function insert(count: number): void {
    const line = lineAt(row)
    if (column >= line.length) return
    const room = Array.from({ length: Math.min(count, columns - column) }, () => ({ text: ' ', style: plain }))
    line.splice(column, 0, ...room)
    line.length = Math.min(line.length, columns)
  }
  function put(text: string): void {
    if (column >= columns) {
      column = 0
      down()
    }
    if (inserting) insert(1)
    const line = lineAt(row)
    while (line.length < column) line.push({ text: ' ', style: plain })
    line[column++] = { text, style }
  }
  const blank = (line: Cell[], from: number, to: number) => {
    for (let at = from; at < Math.min(to, line.length); at++) line[at] = { text: ' ', style: plain }
    if (to >= line.length) line.length = Math.min(line.length, from)
  }
  const eraseLine = (how: number) => {
    if (how === 0) blank(lineAt(row), column, columns)
    else blank(lineAt(row), 0, how === 1 ? column + 1 : columns)
  }
  function eraseScreen(how: number): void {
    const [from, to] = how === 0 ? [row + 1, rows] : how === 1 ? [0, row] : [0, rows]
    for (let at = from; at < to; at++) lineAt(at).length = 0
    if (how < 2) eraseLine(how)
  }
  function shade(codes: number[]): void {
    for (const code of codes) {
      if (code === 0) style = plain
      else if (code === 1) style = { ...style, bold: true }
      else if (code === 22) style = { ...style, bold: false }
      else if (code === 7 || code === 27) style = { ...style, inverse: code === 7 }
      else if (code === 39 || code === 49) style = { ...style, [code === 39 ? 'ink' : 'paper']: null }
      else if (code >= 30 && code <= 37) style = { ...style, ink: code - 30 }
      else if (code >= 90 && code <= 97) style = { ...style, ink: code - 82 }
      else if (code >= 40 && code <= 47) style = { ...style, paper: code - 40 }
      else if (code >= 100 && code <= 107) style = { ...style, paper: code - 92 }
    }
  }

  /** By the last letter of a control sequence; `n` is its first number, 1 when there is none. */
  const controls: Record<string, (n: number, all: number[]) => void> = {
    A: n => move(row - n, column),
    B: n => move(row + n, column),
    C: n => move(row, column + n),
    D: n => move(row, Math.min(column, columns - 1) - n),
    G: n => move(row, n - 1),
    d: n => move(n - 1, column),
    H: (n, [, at = 1]) => move(n - 1, at - 1),
    f: (n, [, at = 1]) => move(n - 1, at - 1),
    J: (_n, [how = 0]) => eraseScreen(how),
    K: (_n, [how = 0]) => eraseLine(how),
    P: n => void lineAt(row).splice(column, n),
    '@': insert,
    L: n => shift(row, n),
    M: n => shift(row, -n),
    S: n => shift(region[0], -n),
    T: n => shift(region[0], n),
    h: n => setInserting(n, true),
    l: n => setInserting(n, false),
    n(n) {
      if (n === 5) answers += '\x1b[0n'
      if (n === 6) answers += `\x1b[${row + 1};${Math.min(column, columns - 1) + 1}R`
    },
    // A vt102, which it is as far as serial lines go.
    c() {
      answers += '\x1b[?6c'
    },
    X: n => blank(lineAt(row), column, column + n),
    m: (_n, all) => shade(all.length > 0 ? all : [0]),
    r(n, [, last = rows]) {
      region = n <= last && last <= rows ? [n - 1, last - 1] : [0, rows - 1]
      move(0, 0)
    },
  }
  function setInserting(mode: number, on: boolean): void {
    if (mode === 4) inserting = on
  }
  function control(text: string): void {
    if (text === '?1h' || text === '?1l') applicationKeys = text === '?1h'
    const [, numbers = '', letter = ''] = /^([\d;]*)([A-Za-z@])$/.exec(text) ?? []
    const all = numbers === '' ? [] : numbers.split(';').map(Number)
    controls[letter]?.(Math.min(all[0] || 1, 10_000), all)
  }
  /** @returns whether it is whole. */
  function inSequence(character: string): boolean {
    sequence += character
    if (sequence.startsWith('\x1b]')) return character === '\x07' || sequence.endsWith('\x1b\\') || tooLong()
    if (sequence.startsWith('\x1b[')) {
      if (sequence.length === 2 || !/[@-~]/.test(character)) return tooLong()
      control(sequence.slice(2))
      return true
    }
    if (sequence.length === 2 && '()#'.includes(character)) return false
    if (sequence === '\x1b7') saved = { row, column }
    if (sequence === '\x1b8') move(saved.row, saved.column)
    if (sequence === '\x1bM') up()
    if (sequence === '\x1bD' || sequence === '\x1bE') down()
    if (sequence === '\x1bE') column = 0
    return true
  }
  const tooLong = () => sequence.length > maxSequence

  function take(character: string): void {
    if (sequence !== '') {
      if (inSequence(character)) sequence = ''
    } else if (character === '\x1b') sequence = character
    else if (character === '\n' || character === '\v' || character === '\f') down()
    else if (character === '\r') column = 0
    else if (character === '\b') column = Math.max(0, Math.min(column, columns) - 1)
    else if (character === '\t') move(row, (Math.floor(column / tabWidth) + 1) * tabWidth)
    else if (character >= ' ' && character !== '\x7f') put(character)
  }

  return {
    feed(bytes) {
      for (const character of decoder.decode(bytes, { stream: true })) take(character)
      const asked = answers
      answers = ''
      return asked
    },
    applicationKeys: () => applicationKeys,
    lines: () => lines,
    cursor: () => ({ line: top + row, column: Math.min(column, columns - 1) }),
  }
}
