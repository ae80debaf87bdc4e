/** How long a simulated host takes for things. */
export interface SimDelays {
  imageMs: number
  overlayMs: number
  /** QEMU's start. */
  startMs: number
  /** From there to the guest's answer. */
  bootMs: number
  shutdownMs: number
  /** A running guest's way to another host. */
  moveMs: number
}

export const shortDelays: SimDelays = { imageMs: 20, overlayMs: 1, startMs: 2, bootMs: 15, shutdownMs: 5, moveMs: 20 }
