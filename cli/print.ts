/** What the terminal shows: tables that fit it, sizes and times for people. Pure: widths and the time are parameters. */

export interface Column<T> {
  title: string
  value(row: T): string
  /** Figures stand under each other. */
  right?: boolean
}

/** Never cut a column below this: `ab…` tells nothing. */
const narrowest = 6
const gap = '  '

/**
 * Rows under their titles, each line at most `width` columns wide: the widest columns give way first, with an ellipsis.
 * @param width Infinity when the output is no terminal: scripts get everything.
 */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], width: number): string {
  const cells = [columns.map(({ title }) => title), ...rows.map(row => columns.map(({ value }) => oneLine(value(row))))]
  const widths = columns.map((_, index) => Math.max(...cells.map(line => widthOf(line[index] as string))))
  const excess = () => widths.reduce((sum, one) => sum + one, 0) + gap.length * (columns.length - 1) - width
  while (excess() > 0) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] as number) <= narrowest) break
    widths[widest] = Math.max(narrowest, (widths[widest] as number) - excess(), secondWidest(widths, widest))
  }
  return cells
    .map(line =>
      line
        .map((cell, index) =>
          padded(cut(cell, widths[index] as number), widths[index] as number, columns[index]?.right),
        )
        .join(gap)
        .trimEnd(),
    )
    .join('\n')
}

/** So that two wide columns shrink together, instead of the first alone. */
function secondWidest(widths: readonly number[], widest: number): number {
  const current = widths[widest] as number
  const others = widths.filter((one, index) => index !== widest && one < current)
  return Math.min(current - 1, Math.max(narrowest, ...others))
}

/** Names come from others: nothing in them may move the cursor or colour the terminal. */
const oneLine = (text: string) => text.replace(/[\s\p{Cc}]+/gu, ' ').trim()

// Chinese, Japanese and Korean characters take two columns.
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/

export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += wide.test(character) ? 2 : 1
  return width
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break
    kept += character
  }
  return `${kept}…`
}

function padded(text: string, width: number, right = false): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return right ? space + text : text + space
}

/** One thing as `name  value` lines; empty values are left out. */
export function fields(pairs: readonly (readonly [string, string | null | undefined])[]): string {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => widthOf(name)))
  return shown.map(([name, value]) => `${padded(name, width)}  ${value}`).join('\n')
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `3.4 GiB`; three figures at most. */
export function bytes(sizeBytes: number | null | undefined): string {
  if (sizeBytes === null || sizeBytes === undefined) return '—'
  const power = sizeBytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(sizeBytes) / 10))
  const value = sizeBytes / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** `45 s`, `3 min`, `2 h 5 min`, `4 days`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`
  return `${Math.round(hours / 24)} days`
}

/** `3 min ago`, or `—` for never. */
export function ago(time: string | null | undefined, now: Date): string {
  return time ? `${duration(now.getTime() - Date.parse(time))} ago` : '—'
}

/** `[######····]  60 %` */
export function bar(percent: number, width = 20): string {
  const shown = Math.min(100, Math.max(0, Math.floor(percent)))
  const full = Math.round((shown / 100) * width)
  return `[${'#'.repeat(full)}${'·'.repeat(width - full)}] ${String(shown).padStart(3)} %`
}
