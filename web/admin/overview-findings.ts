/** What is wrong, worst first, each with where to look next. Pure: the words stand in the message files. */

import type { Desktop, Host, Pool, Template } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { type ProblemCode, problemOf } from '../ui/problem.ts'
import { type StorageSeen, storageFindings } from './overview-storage.ts'

export interface Finding {
  key: string
  level: 'bad' | 'warn'
  /** Message and its values. */
  words:
    | { key: 'overview.hostTrouble'; host: string; text: string }
    | { key: 'overview.hostLost' | 'overview.hostSuspect' | 'overview.slow'; host: string }
    | {
        key:
          | 'overview.desktopFailed'
          | 'overview.desktopTrouble'
          | 'overview.poolRestrained'
          | 'overview.poolEmpty'
          | 'overview.poolWaiting'
          | 'overview.rootFills'
          | 'overview.storagePoolFills'
          | 'overview.storagePoolFails'
        name: string
      }
    | { key: 'overview.templateFailed'; name: string; number: number }
    | { key: 'overview.peopleWait' | 'overview.peopleStay' | 'overview.noNetwork'; count: number; host: string }
    | { key: 'overview.noHosts' }
  /** What an administrator reads beneath: the API's own reason, or our advice. */
  text: string | null
  next:
    | `overview.${'hostLostNext' | 'hostSuspectNext' | 'peopleWaitNext' | 'peopleStayNext' | 'noNetworkNext' | 'poolEmptyNext' | 'noHostsNext'}`
    | `problem.code.${ProblemCode}`
    | null
  to:
    | '/admin/hosts'
    | '/admin/hosts/$id'
    | '/admin/hosts/clusters/$id'
    | '/admin/desktops/$id'
    | '/admin/pools/$id'
    | '/admin/templates/$id'
  id: string
  /** A dialogue of that page, opened at once. */
  show?: 'fence'
  tab?: 'desktops'
}

export interface Seen {
  hosts: readonly Host[] | null
  pools: readonly Pool[]
  /** Desktops that something keeps from being used. */
  troubled: readonly Desktop[]
  /** Desktops that came from another cluster and have no network yet. */
  cutOff: readonly Desktop[]
  templates: readonly Template[]
  storage: StorageSeen
}

export function findingsOf({ hosts, pools, troubled, cutOff, templates, storage }: Seen): Finding[] {
  const found: Finding[] = []
  const add = (finding: Omit<Finding, 'next' | 'text'> & Partial<Finding>) =>
    found.push({ next: null, text: null, ...finding })
  if (hosts?.length === 0)
    add({
      key: 'no-hosts',
      level: 'warn',
      words: { key: 'overview.noHosts' },
      next: 'overview.noHostsNext',
      to: '/admin/hosts',
      id: '',
    })
  found.push(...waitingOf(troubled))
  for (const host of hosts ?? []) {
    const at = { to: '/admin/hosts/$id', id: host.id } as const
    if (host.state === 'lost')
      add({
        key: `${host.id} lost`,
        level: 'bad',
        words: { key: 'overview.hostLost', host: host.name },
        next: 'overview.hostLostNext',
        ...at,
      })
    if (host.state === 'suspect')
      add({
        key: `${host.id} suspect`,
        level: 'warn',
        words: { key: 'overview.hostSuspect', host: host.name },
        next: 'overview.hostSuspectNext',
        ...at,
      })
    for (const trouble of host.troubles)
      add({
        key: `${host.id} ${trouble.text}`,
        level: 'bad',
        words: { key: 'overview.hostTrouble', host: host.name, text: saidWord(trouble.text) },
        ...at,
      })
    if (host.facts?.accelerator === 'tcg' && !host.facts.simulated)
      add({
        key: `${host.id} slow`,
        level: 'warn',
        words: { key: 'overview.slow', host: host.name },
        text: host.facts.acceleratorReason,
        ...at,
      })
  }
  found.push(...storageFindings(storage))
  for (const pool of pools) {
    const at = { to: '/admin/pools/$id', id: pool.id } as const
    const name = pool.name
    const trouble = poolTrouble(pool)
    if (trouble === 'restrained')
      add({
        key: `${pool.id} restrained`,
        level: 'bad',
        words: { key: 'overview.poolRestrained', name },
        text: pool.statusText,
        ...at,
      })
    else if (trouble === 'waiting')
      add({
        key: `${pool.id} waiting`,
        level: 'warn',
        words: { key: 'overview.poolWaiting', name },
        text: pool.statusText,
        ...at,
      })
    else if (trouble === 'empty')
      add({
        key: `${pool.id} empty`,
        level: 'warn',
        words: { key: 'overview.poolEmpty', name },
        next: 'overview.poolEmptyNext',
        ...at,
      })
  }
  for (const desktop of troubled.filter(({ waitsForHost }) => !waitsForHost))
    add({
      key: desktop.id,
      level: desktop.phase === 'failed' ? 'bad' : 'warn',
      words: {
        key: desktop.phase === 'failed' ? 'overview.desktopFailed' : 'overview.desktopTrouble',
        name: desktop.name,
      },
      text: desktop.trouble ? null : desktop.reason,
      next: desktop.trouble && `problem.code.${problemOf(desktop.trouble).known ?? 'internal'}`,
      to: '/admin/desktops/$id',
      id: desktop.id,
    })
  found.push(...cutOffOf(cutOff))
  for (const template of templates)
    for (const version of template.versions)
      if (version.state === 'failed')
        add({
          key: version.id,
          level: 'warn',
          words: { key: 'overview.templateFailed', name: template.name, number: version.number },
          text: version.trouble?.text ?? null,
          to: '/admin/templates/$id',
          id: template.id,
        })
  return found.toSorted((a, b) => (a.level === b.level ? 0 : a.level === 'bad' ? -1 : 1))
}

const poolTroubles = ['restrained', 'waiting', 'empty'] as const
const poolShare = ({ counts, maxSize }: Pool) => (maxSize > 0 ? counts.assigned / maxSize : 0)

function poolTrouble(pool: Pool): (typeof poolTroubles)[number] | null {
  if (pool.status === 'restrained' || pool.status === 'waiting') return pool.status
  return pool.enabled && poolShare(pool) >= 1 ? 'empty' : null
}

/** Pools that need attention, worst first; then the fullest, which are the next to need it; of empty ones the largest. */
export function poolsByNeed(pools: readonly Pool[]): Pool[] {
  const rank = (pool: Pool) => {
    const trouble = poolTrouble(pool)
    return trouble ? poolTroubles.indexOf(trouble) : poolTroubles.length
  }
  return pools.toSorted(
    (a, b) =>
      rank(a) - rank(b) || poolShare(b) - poolShare(a) || b.counts.total - a.counts.total || (a.name < b.name ? -1 : 1),
  )
}

/**
 * People whose desktops wait for a lost host, once for each host: it is off for certain when somebody says so there.
 * Those whom that does not help are told apart.
 */
function waitingOf(desktops: readonly Desktop[]): Finding[] {
  const hosts = Map.groupBy(desktops, ({ waitsForHost }) => waitsForHost && `${waitsForHost.id} ${waitsForHost.fence}`)
  return [...hosts].flatMap(([key, waiting]): Finding[] => {
    const host = waiting[0]?.waitsForHost
    if (!key || !host) return []
    const count = new Set(waiting.map(({ id: desktopId, userId }) => userId ?? desktopId)).size
    return [
      {
        key: `${key} waited for`,
        level: 'bad',
        words: { key: host.fence ? 'overview.peopleWait' : 'overview.peopleStay', count, host: host.name },
        text: null,
        next: host.fence ? 'overview.peopleWaitNext' : 'overview.peopleStayNext',
        to: '/admin/hosts/$id',
        id: host.id,
        ...(host.fence ? { show: 'fence' } : { tab: 'desktops' }),
      },
    ]
  })
}

/** Desktops without network, once for each host: one look at its desktops names them all. */
function cutOffOf(desktops: readonly Desktop[]): Finding[] {
  const hosts = Map.groupBy(desktops, ({ hostId }) => hostId)
  return [...hosts].flatMap(([id, there]): Finding[] => {
    const host = there[0]?.hostName
    if (id === null || !host) return []
    return [
      {
        key: `${id} no network`,
        level: 'warn',
        words: { key: 'overview.noNetwork', count: there.length, host },
        text: null,
        next: 'overview.noNetworkNext',
        to: '/admin/hosts/$id',
        id,
        tab: 'desktops',
      },
    ]
  })
}
