import type { Desktop } from '../data/nouns.ts'

/** Desktops that wait for their turn to start, next first. */
export const bootQueue = <T extends Pick<Desktop, 'step'>>(desktops: readonly T[]): T[] =>
  desktops
    .filter(({ step }) => (step?.queuePlace ?? null) !== null)
    .toSorted((a, b) => (a.step?.queuePlace ?? 0) - (b.step?.queuePlace ?? 0))
