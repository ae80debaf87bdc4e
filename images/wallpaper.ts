/** The desktop's wallpaper: dusk over hills, drawn point by point, the same bytes every time. */

type Colour = readonly [number, number, number]

const sky: readonly (readonly [number, Colour])[] = [
  [0, [13, 34, 62]],
  [0.35, [30, 76, 118]],
  [0.6, [92, 140, 168]],
  [0.78, [232, 190, 160]],
]

/** From far to near: height of the middle line, how high the waves go, how many, where they begin, colour. */
const hills: readonly { base: number; height: number; waves: number; phase: number; colour: Colour }[] = [
  { base: 0.66, height: 0.05, waves: 1.6, phase: 0.4, colour: [94, 128, 152] },
  { base: 0.72, height: 0.055, waves: 2.3, phase: 2.1, colour: [62, 98, 126] },
  { base: 0.79, height: 0.045, waves: 3.4, phase: 4.4, colour: [38, 71, 99] },
  { base: 0.86, height: 0.04, waves: 4.6, phase: 1.3, colour: [23, 49, 74] },
  { base: 0.94, height: 0.035, waves: 5.9, phase: 3.6, colour: [13, 31, 50] },
]

const sun = { x: 0.7, y: 0.62, radius: 0.055, colour: [255, 233, 206] } as const

function mix(from: Colour, to: Colour, share: number): Colour {
  const at = (index: 0 | 1 | 2) => from[index] + (to[index] - from[index]) * share
  return [at(0), at(1), at(2)]
}

function skyColour(y: number): Colour {
  for (let index = 1; index < sky.length; index++) {
    const [from, lower] = sky[index - 1] ?? [0, [0, 0, 0]]
    const [to, upper] = sky[index] ?? [1, [0, 0, 0]]
    if (y < to) return mix(lower, upper, (y - from) / (to - from))
  }
  return sky.at(-1)?.[1] ?? [0, 0, 0]
}

/** A small fixed pattern (Bayer, 4x4) that hides the steps of the gradient. */
const pattern = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]

/** RGB pixels, three bytes each, rows from the top. */
export function wallpaperDraw(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(3 * width * height)
  const lines = hills.map(hill =>
    Float64Array.from({ length: width }, (_, column) => {
      const angle = hill.waves * Math.PI * (column / width) + hill.phase
      const wave = Math.sin(angle) + 0.35 * Math.sin(2.7 * angle + 1) + 0.12 * Math.sin(6.1 * angle)
      return height * (hill.base - hill.height * wave)
    }),
  )
  for (let row = 0; row < height; row++) {
    const above = skyColour(row / height)
    for (let column = 0; column < width; column++) {
      const away = Math.hypot(column - sun.x * width, row - sun.y * height) / height
      const edge = (sun.radius - away) * height + 0.5
      let colour = mix(above, sun.colour, 0.55 * Math.exp(-away * away * 22))
      colour = mix(colour, sun.colour, Math.min(1, Math.max(0, edge)))
      for (const [index, hill] of hills.entries()) {
        const depth = row - (lines[index]?.[column] ?? 0)
        if (depth < -0.5) continue
        // Mist: each hill is a little lighter towards its foot.
        const misty = mix(hill.colour, [150, 175, 190], Math.min(0.22, (0.22 * Math.max(0, depth)) / (0.12 * height)))
        colour = mix(colour, misty, Math.min(1, depth + 0.5))
      }
      const grain = (pattern[(row & 3) * 4 + (column & 3)] ?? 0) / 16
      const at = 3 * (row * width + column)
      for (const channel of [0, 1, 2] as const)
        pixels[at + channel] = Math.min(255, Math.floor(colour[channel] + grain))
    }
  }
  return pixels
}
