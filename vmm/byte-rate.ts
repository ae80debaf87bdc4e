/** How fast bytes may come, and how fast they did. Pure: the time is given. */

/** Bytes that may come at once after a rest, as a part of a second's. Less: small pieces wait alone; more: the line is full in bursts. */
const burstSeconds = 0.25

export interface ByteLimit {
  /** @returns how long to wait after so many bytes came, in ms. */
  took(bytes: number, nowMs: number): number
}

/** A bucket that fills by `bytesPerSecond`; what came is paid for afterwards. */
export function byteLimit(bytesPerSecond: number, nowMs: number): ByteLimit {
  const most = bytesPerSecond * burstSeconds
  let left = most
  let lastMs = nowMs
  return {
    took(bytes, atMs) {
      left = Math.min(most, left + ((atMs - lastMs) * bytesPerSecond) / 1000) - bytes
      lastMs = atMs
      return left >= 0 ? 0 : (-left * 1000) / bytesPerSecond
    },
  }
}

export interface ByteMeter {
  /** @returns MiB a second, once enough time passed since it was last told; else null. */
  took(bytes: number, nowMs: number): number | null
}

/** @param everyMs shorter: the figure jumps; longer: it looks frozen. */
export function byteMeter(everyMs: number, nowMs: number): ByteMeter {
  let sinceMs = nowMs
  let sum = 0
  return {
    took(bytes, atMs) {
      sum += bytes
      const passedMs = atMs - sinceMs
      if (passedMs < everyMs) return null
      const rate = (sum / 2 ** 20) * (1000 / passedMs)
      sinceMs = atMs
      sum = 0
      return rate
    },
  }
}
