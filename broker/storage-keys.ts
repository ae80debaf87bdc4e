/** Ceph's keys: sealed in the database, told to nobody but the hosts of their pools. */
import { textOpen, textSeal } from '../auth/sealed.ts'
import { storageKeySeal, storageKeysPlain } from '../db/storage-pools.ts'
import type { Broker } from './broker.ts'

type Kept = { id: string; secret: string | null; sealed_secret: string | null }

export const storageKeySealed = (broker: Broker, poolId: string, key: string | null) =>
  key === null ? null : textSeal(key, broker.ticketKey, poolId)

/** @returns null where there is none; undefined where there is one that this installation cannot open. */
export function storageKeyOpen({ id, secret, sealed_secret }: Kept, ticketKey: Uint8Array): string | null | undefined {
  if (sealed_secret === null) return secret
  try {
    return textOpen(sealed_secret, ticketKey, id)
  } catch {
    return undefined // said where the pool is shown, to who can give it anew
  }
}

/** Seals what older versions wrote as it is. */
export async function storageKeysKeep(broker: Broker): Promise<void> {
  for (const row of await storageKeysPlain(broker.db))
    await storageKeySeal(broker.db, row, textSeal(row.secret, broker.ticketKey, row.id))
}
