/**
 * What boots cost each other on this machine without us: bare QEMUs, as many at once as there are cores, the next when one
 * answers. Two guests at once share caches, memory bandwidth and often a physical core; no admission can give that back.
 */
import { guestStart } from '../test/images/guest.ts'

export interface RawBoot {
  cpu: number
  seconds: number
}

/** Longest wait for a guest's answer; one that takes longer is a broken machine, not a slow one. */
const answerMs = 120_000

/** @param image path of a sealed tiny image. @returns a boot for each guest, all of which run to the end. */
export async function rawStorm(image: string, count: number, atOnce: number): Promise<RawBoot[]> {
  await using guests = new AsyncDisposableStack()
  const boots: RawBoot[] = []
  let started = 0
  const worker = async () => {
    while (started < count) {
      started++
      const guest = guests.use(await guestStart({ image, memoryMib: 96, oemStrings: [`hdcs.hostname=raw-${started}`] }))
      const { cpuSeconds, wallSeconds } = await guest.ready(answerMs)
      boots.push({ cpu: cpuSeconds, seconds: wallSeconds })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return boots
}
