import type { Principal } from '../auth/principal.ts'
import { entitlementsOf, entitlementsReplace, poolExists, subjectsUnknown } from '../db/pools.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'

const idsOf = (subjects: string[], type: 'user' | 'group') =>
  subjects.filter(subject => subject.startsWith(`${type}:`)).map(subject => subject.slice(type.length + 1))

export async function entitlementGet(broker: Broker, poolId: string) {
  if (!(await poolExists(broker.db, poolId))) throw new HdcsError('not_found', 'There is no such pool.')
  const subjects = (await entitlementsOf(broker.db, poolId)).map(row => row.subject)
  return {
    everyone: subjects.includes('everyone'),
    userIds: idsOf(subjects, 'user'),
    groupIds: idsOf(subjects, 'group'),
  }
}

export async function entitlementSet(
  broker: Broker,
  _principal: Principal,
  poolId: string,
  wish: { everyone?: boolean | undefined; userIds?: string[] | undefined; groupIds?: string[] | undefined },
) {
  await entitlementGet(broker, poolId)
  const subjects = [
    ...(wish.everyone ? ['everyone'] : []),
    ...(wish.userIds ?? []).map(id => `user:${id}`),
    ...(wish.groupIds ?? []).map(id => `group:${id}`),
  ]
  const strangers = await subjectsUnknown(broker.db, wish.userIds ?? [], wish.groupIds ?? [])
  if (strangers.length > 0) throw new HdcsError('invalid', `There is nobody with the id ${strangers[0]}.`)
  await broker.db.transaction().execute(tx => entitlementsReplace(tx, poolId, subjects))
  return entitlementGet(broker, poolId)
}
