/** The numbers of balancing with their limits: one table for form and check. */
import type { Balance } from '../data/nouns.ts'

export const balanceRules = ['rebalance', 'consolidate'] as const satisfies (keyof Balance)[]

export interface BalanceField {
  field: string
  unit?: 'percent' | 'minutes'
  least: number
  most: number
}

export const balanceFields = {
  rebalance: [
    { field: 'thresholdPercent', unit: 'percent', least: 50, most: 100 },
    { field: 'forMinutes', unit: 'minutes', least: 1, most: 1440 },
    { field: 'cooldownMinutes', unit: 'minutes', least: 1, most: 1440 },
    { field: 'maxMoves', least: 1, most: 50 },
  ],
  consolidate: [
    { field: 'thresholdPercent', unit: 'percent', least: 1, most: 50 },
    { field: 'forMinutes', unit: 'minutes', least: 1, most: 10_080 },
    { field: 'cooldownMinutes', unit: 'minutes', least: 1, most: 10_080 },
    { field: 'minHosts', least: 1, most: 1000 },
  ],
} satisfies Record<keyof Balance, BalanceField[]> as Record<keyof Balance, BalanceField[]>

/** Names such as `rebalance.maxMoves` of what is not a whole number within its limits. */
export function wrongInBalance(balance: Balance): ReadonlySet<string> {
  const wrong = new Set<string>()
  for (const rule of balanceRules)
    for (const { field, least, most } of balanceFields[rule]) {
      const value: unknown = (balance[rule] as Record<string, unknown>)[field]
      if (!(typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most))
        wrong.add(`${rule}.${field}`)
    }
  return wrong
}
