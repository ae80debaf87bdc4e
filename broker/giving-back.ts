import type { Permission } from '../auth/policy.ts'
import type { Principal } from '../auth/principal.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'
import { desktopAct, desktopList } from './desktops.ts'

/**
 * Gives back every floating desktop of somebody who leaves. What they kept on persistent ones goes only if whoever
 * asks may delete desktops: people's administrators do not touch machines.
 * @throws HdcsError `conflict`: there are persistent ones and they must be deleted first.
 */
export async function desktopsGiveBack(broker: Broker, principal: Principal, userId: string): Promise<void> {
  const more: Permission[] = ['desktop.read', 'desktop.write']
  const acting = { ...principal, permissions: new Set<Permission>([...principal.permissions, ...more]) }
  const { items: had } = await desktopList(broker, acting, { userId, limit: 500 })
  const { items: binned } = await desktopList(broker, acting, { userId, binned: true, limit: 500 })
  const items = [...had, ...binned]
  const kept = items.filter(desktop => desktop.kind === 'persistent')
  if (kept.length > 0 && !principal.permissions.has('desktop.write')) {
    const names = kept.map(desktop => desktop.name).join(', ')
    throw new HdcsError(
      'conflict',
      `An infrastructure administrator must delete ${names} first: it holds this person’s own data.`,
    )
  }
  for (const desktop of items) {
    const name = desktop.kind === 'floating' ? 'release' : desktop.binned ? 'purge' : 'delete'
    await desktopAct(broker, acting, desktop.id, name, { atOnce: true })
  }
}
