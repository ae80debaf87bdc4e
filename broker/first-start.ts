import { randomBytes } from 'node:crypto'
import { addressLock, hostKeyReplace, hostRows } from '../db/hosts.ts'
import { entitlementsReplace, poolInsert, poolRows } from '../db/pools.ts'
import { settingLocalHost, settingLocalHostSet } from '../db/settings.ts'
import { treeEnsure } from '../db/sites.ts'
import { templateInsert, templateRows } from '../db/templates.ts'
import { newId } from '../lib/ids.ts'
import type { Broker } from './broker.ts'
import { hostAdd, secretHash } from './hosts.ts'
import { supernetNew } from './subnets.ts'
import { recipeHardware, versionMake } from './templates.ts'

/**
 * The first start makes the site and cluster `main`, the template `tiny` and the floating pool `demo`, so that there
 * is something to claim. At every later start it finds a template there and makes nothing: what an administrator
 * removed stays removed.
 */
export async function firstStart(broker: Broker): Promise<{ clusterId: string }> {
  const now = broker.clock.now()
  return broker.db.transaction().execute(async tx => {
    await addressLock(tx)
    const { clusterId } = await treeEnsure(tx, { siteId: newId(), clusterId: newId(), supernet: await supernetNew(tx) })
    const nothingYet =
      (await templateRows(tx, { limit: 1 })).length === 0 && (await poolRows(tx, { limit: 1 })).length === 0
    const hosts = await hostRows(tx, { limit: 1 })
    if (!nothingYet || hosts.length > 0) return { clusterId }
    const templateId = newId()
    const poolId = newId()
    await templateInsert(tx, {
      id: templateId,
      name: 'tiny',
      description: 'A small Linux that starts in seconds: to try things out and for tests.',
      hardware: recipeHardware.tiny,
      ready_when: 'agent',
    })
    const source = { kind: 'recipe', recipe: 'tiny' } as const
    await versionMake(tx, { id: templateId, name: 'tiny' }, { source, notes: 'Built at the first start.' }, null, now)
    await poolInsert(tx, {
      id: poolId,
      name: 'demo',
      description: 'Try a desktop: a fresh one each time.',
      kind: 'floating',
      template_id: templateId,
      template_version: null,
      min_size: 0,
      max_size: 10,
      warm: 2,
      cold: 0,
      max_per_user: 1,
      hardware: '{}',
      enabled: true,
    })
    await entitlementsReplace(tx, poolId, ['everyone'])
    return { clusterId }
  })
}

/**
 * The host this control plane brings along (all in one, or simulated): the one it brought last time under this name,
 * whatever it is called now, else one of this name, else a new one. It gets a new key at every start, so there is
 * nothing to lose.
 */
export async function localHost(
  broker: Broker,
  clusterId: string,
  name: string,
  networks: string[],
): Promise<{ hostId: string; key: string }> {
  return broker.db.transaction().execute(async tx => {
    const brought = await settingLocalHost(tx, name)
    const [known = (await hostRows(tx, { name }))[0]] = brought ? await hostRows(tx, { ids: [brought] }) : []
    if (!known) {
      const added = await hostAdd(tx, { clusterId, name, networks }, broker.clock.now())
      await settingLocalHostSet(tx, name, added.hostId)
      return added
    }
    await settingLocalHostSet(tx, name, known.id)
    const key = randomBytes(32).toString('base64url')
    await hostKeyReplace(tx, known.id, secretHash(key))
    return { hostId: known.id, key }
  })
}
