/** The few pictures of the window manager's theme, as XPM text: what a button looks like is a question to each point. */

type Shape = (x: number, y: number) => boolean

/** XPM3 with two colours. */
export function xpmEncode(rows: readonly string[], background: string, foreground: string): string {
  const lines = rows.map(row => `"${row}"`).join(',\n')
  return `/* XPM */\nstatic char *picture[] = {\n"${rows[0]?.length ?? 0} ${rows.length} 2 1",\n". c ${background}",\n"# c ${foreground}",\n${lines}};\n`
}

function picture(width: number, height: number, shape: Shape): string[] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => (shape(x, y) ? '#' : '.')).join(''),
  )
}

/** Window buttons, 30 x 30, drawn between these two. */
const low = 10
const high = 19
const inside = (x: number, y: number, from: number, to: number) => x >= from && x <= to && y >= from && y <= to
const onEdge = (x: number, y: number, from: number, to: number) =>
  inside(x, y, from, to) && (x === from || x === to || y === from || y === to)

const buttons = {
  close: (x, y) => inside(x, y, low, high) && (x === y || x + y === low + high),
  maximize: (x, y) => onEdge(x, y, low, high),
  restore: (x, y) =>
    onEdge(x, y - 1, low, high - 2) || (onEdge(x - 2, y + 1, low, high - 2) && !inside(x, y - 1, low, high - 2)),
  minimize: (x, y) => x >= low && x <= high && y === high,
} satisfies Record<string, Shape>

/** The start button: nine dots. */
const dots: Shape = (x, y) => x >= 14 && x < 32 && y >= 9 && y < 27 && (x - 14) % 7 < 4 && (y - 9) % 7 < 4

/** File names below the theme's folder and their content. */
export function themePictures(): Map<string, string> {
  const files = new Map([['taskbar/start.xpm', xpmEncode(picture(46, 36, dots), '#162536', '#dfe8f0')]])
  for (const [name, shape] of Object.entries(buttons)) {
    // Two copies below each other: icewm shows the lower one while the button is pressed.
    const rows = [...picture(30, 30, shape), ...picture(30, 30, shape)]
    files.set(`${name}A.xpm`, xpmEncode(rows, '#26384c', '#f4f7fa'))
    files.set(`${name}I.xpm`, xpmEncode(rows, '#dfe4e9', '#8a96a2'))
  }
  return files
}
