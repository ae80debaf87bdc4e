/** What a cluster wishes of rebalancing and consolidation (balance.ts), checked. Pure. */
import { HdcsError } from '../lib/errors.ts'

export interface BalanceSettings {
  rebalance: {
    enabled: boolean
    /** Of a host's cores or memory, whichever is used more. */
    thresholdPercent: number
    forMinutes: number
    /** After moves: their effect is to be seen first. */
    cooldownMinutes: number
    /** At once. */
    maxMoves: number
  }
  consolidate: {
    enabled: boolean
    thresholdPercent: number
    /** So many stay on. */
    minHosts: number
    forMinutes: number
    /** After a host was switched off or on. */
    cooldownMinutes: number
  }
}

export const balanceUsual: BalanceSettings = {
  rebalance: { enabled: false, thresholdPercent: 85, forMinutes: 10, cooldownMinutes: 15, maxMoves: 3 },
  consolidate: { enabled: false, thresholdPercent: 15, minHosts: 1, forMinutes: 30, cooldownMinutes: 60 },
}

type Limits = Record<string, readonly [least: number, most: number]>
const limits = {
  rebalance: { thresholdPercent: [50, 100], forMinutes: [1, 1440], cooldownMinutes: [1, 1440], maxMoves: [1, 50] },
  consolidate: {
    thresholdPercent: [1, 50],
    minHosts: [1, 1000],
    forMinutes: [1, 10_080],
    cooldownMinutes: [1, 10_080],
  },
} satisfies Record<keyof BalanceSettings, Limits>

/**
 * What stands in `cluster.balance`, whatever is absent being as usual.
 * @throws HdcsError `invalid`: an unknown field, a value of another kind, or one out of its limits.
 */
export function balanceSettings(given: Record<string, unknown>): BalanceSettings {
  refuseUnknown('balance', given, Object.keys(limits))
  return {
    rebalance: part('rebalance', given.rebalance),
    consolidate: part('consolidate', given.consolidate),
  }
}

function part<Name extends keyof BalanceSettings>(name: Name, given: unknown): BalanceSettings[Name] {
  const usual = balanceUsual[name]
  if (given === undefined) return usual
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new HdcsError('invalid', `balance.${name} should be an object.`)
  const fields = given as Record<string, unknown>
  refuseUnknown(`balance.${name}`, fields, Object.keys(usual))
  for (const [field, value] of Object.entries(fields)) {
    const [least, most] = (limits[name] as Limits)[field] ?? [0, 0]
    const fits =
      field === 'enabled'
        ? typeof value === 'boolean'
        : typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
    const wanted = field === 'enabled' ? 'true or false' : `a whole number from ${least} to ${most}`
    if (!fits) throw new HdcsError('invalid', `balance.${name}.${field} should be ${wanted}.`)
  }
  return { ...usual, ...fields }
}

function refuseUnknown(where: string, given: Record<string, unknown>, known: string[]): void {
  const unknown = Object.keys(given).find(field => !known.includes(field))
  if (unknown !== undefined)
    throw new HdcsError('invalid', `${where} has no ${unknown}: there are ${known.join(', ')}.`)
}
