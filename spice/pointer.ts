/**
 * Pointer events to what the inputs channel is told; decides pure. Positions are the guest's pixels whatever size the
 * canvas is shown in; buttons come from the difference of masks, because a chord's second button arrives as a move;
 * the wheel gathers small steps to whole notches.
 */

/** SPICE's numbers: the button of a press, its bit in a mask, its bit in the DOM's `buttons`. */
const buttons = [
  { dom: 1, number: 1, mask: 1 },
  { dom: 4, number: 2, mask: 2 },
  { dom: 2, number: 3, mask: 4 },
  { dom: 8, number: 6, mask: 32 },
  { dom: 16, number: 7, mask: 64 },
] as const
const wheelUp = { number: 4, mask: 8 } as const
const wheelDown = { number: 5, mask: 16 } as const
/** CSS pixels of one notch: what browsers send for one notch of a plain wheel. */
const notchPixels = 100
/** `deltaMode` 1 and 2: lines and pages, in pixels. */
const wheelUnits = [1, 33, 400] as const

export interface ButtonStep {
  pressed: boolean
  number: number
  /** All buttons after this step, as SPICE masks. */
  mask: number
}

/** Steps from one mask to the buttons that the DOM says are down now. */
export function buttonSteps(mask: number, domButtons: number): ButtonStep[] {
  let now = mask
  return buttons
    .filter(button => ((domButtons & button.dom) !== 0) !== ((mask & button.mask) !== 0))
    .map(button => {
      now ^= button.mask
      return { pressed: (now & button.mask) !== 0, number: button.number, mask: now }
    })
}

/** @param left between 0 and `shown` CSS pixels. @returns 0 to `guest` - 1. */
export function guestPixel(left: number, shown: number, guest: number): number {
  return Math.max(0, Math.min(guest - 1, Math.floor((left * guest) / shown)))
}

export interface Wheel {
  /** Notches for one wheel event: up or down, press and release. */
  turn(deltaY: number, deltaMode: number, mask: number): ButtonStep[]
}

export function makeWheel(): Wheel {
  let gathered = 0
  return {
    turn(deltaY, deltaMode, mask) {
      // A turn back does not first have to undo what was gathered.
      if (Math.sign(deltaY) !== Math.sign(gathered)) gathered = 0
      gathered += deltaY * (wheelUnits[deltaMode] ?? 1)
      const notches = Math.trunc(gathered / notchPixels)
      gathered -= notches * notchPixels
      const { number, mask: bit } = notches < 0 ? wheelUp : wheelDown
      const notch = [
        { pressed: true, number, mask: mask | bit },
        { pressed: false, number, mask },
      ]
      return Array.from({ length: Math.abs(notches) }, () => notch).flat()
    },
  }
}
