/**
 * What pages read, noun by noun: the first part of a key is the noun, so one live event can refresh all that shows it.
 * Lists answer at most 100; whoever wants more pages by cursor.
 */
import {
  infiniteQueryOptions,
  keepPreviousData,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
} from '@tanstack/react-query'
import type { Answer, Ask, OperationId } from '../../api/client.ts'
import { ApiError, client } from './client.ts'

const signedOutListeners = new Set<() => void>()
/** Tells when the server no longer knows this sign-in. @returns how to stop listening */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener)
  return () => void signedOutListeners.delete(listener)
}
const watchSignIn = (error: unknown) => {
  if (error instanceof ApiError && error.status === 401) for (const listener of signedOutListeners) listener()
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: watchSignIn }),
  mutationCache: new MutationCache({ onError: watchSignIn }),
  defaultOptions: {
    queries: {
      // Live events say when something changed. Shorter: needless traffic; longer: a missed event shows for longer.
      staleTime: 30_000,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
})

/** What a list may be asked, as its route says. */
type Query<Id extends OperationId> = Ask<Id> extends { query?: infer Q } ? NonNullable<Q> : never

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: () => client.meGet(),
  staleTime: 5 * 60_000,
})

export const poolsQuery = (query: Query<'poolList'> = {}) =>
  queryOptions({
    queryKey: ['pool', 'list', query],
    queryFn: () => client.poolList({ query }),
    placeholderData: keepPreviousData,
  })
export const poolQuery = (id: string) =>
  queryOptions({ queryKey: ['pool', id], queryFn: () => client.poolGet({ params: { id } }) })
export const pushesQuery = (poolId: string) =>
  queryOptions({
    queryKey: ['pool', poolId, 'pushes'],
    queryFn: () => client.pushList({ params: { id: poolId }, query: { limit: 10 } }),
  })
/** No event tells who looks. Shorter: traffic for a page that waits; longer: it names somebody who has left. */
const holderEveryMs = 2_000
export const screenQuery = (id: string) =>
  queryOptions({
    queryKey: ['desktop', id, 'screen'],
    queryFn: () => client.screenGet({ params: { id } }),
    refetchInterval: holderEveryMs,
    staleTime: 0,
    gcTime: 0,
  })
/** Shorter: pictures that nobody tells apart; longer: nobody calls it live. */
const pictureEveryMs = 3_000
/** Asked again for as long as somebody sees it: not in a tab behind another, and nothing is kept. */
export const screenshotQuery = (id: string) =>
  queryOptions({
    queryKey: ['screenshot', id],
    queryFn: ({ signal }) => client.screenshot(id, signal),
    refetchInterval: pictureEveryMs,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
/** Those that are not on it yet are few: whoever wants the rest asks the API. */
export const pushDesktopsQuery = (id: string, place: 'inUse' | 'failed' | 'waiting' | 'remaking' | 'lost') =>
  queryOptions({
    queryKey: ['pool', 'push', id, place],
    queryFn: () => client.pushDesktopList({ params: { id }, query: { place, limit: 50 } }),
    placeholderData: keepPreviousData,
  })
export const verificationsQuery = (poolId: string) =>
  queryOptions({
    queryKey: ['pool', poolId, 'verifications'],
    queryFn: () => client.verificationList({ params: { id: poolId }, query: { limit: 1 } }),
  })
export const verifiedQuery = (id: string, state?: 'failed') =>
  queryOptions({
    queryKey: ['pool', 'verification', id, state],
    queryFn: () => client.verificationDesktopList({ params: { id }, query: { limit: 100, ...(state && { state }) } }),
    placeholderData: keepPreviousData,
  })
/** A dry run asks by POST and changes nothing. */
export const pushPlanQuery = (poolId: string, ask: NonNullable<Ask<'pushMake'>['body']>) =>
  queryOptions({
    queryKey: ['pool', poolId, 'push plan', ask],
    queryFn: async () => {
      const plan = await client.pushMake({ params: { id: poolId }, body: { ...ask, dryRun: true } })
      if ('task' in plan) throw new Error('a dry run made a push')
      return plan
    },
    placeholderData: keepPreviousData,
  })
/** Where a copy would lie, and how long it would take: asked anew as often as storages fill. */
export const copyPlanQuery = (params: Ask<'copyMake'>['params'], bytesPerSecond: number | null) =>
  queryOptions({
    queryKey: ['template', params.id, 'copy plan', params, bytesPerSecond],
    queryFn: async () => {
      const plan = await client.copyMake({ params, body: { bytesPerSecond, dryRun: true } })
      if ('task' in plan) throw new Error('a dry run made a copy')
      return plan
    },
    placeholderData: keepPreviousData,
  })
/** Asked by PATCH, and nothing is changed. */
/** Asked by PATCH, and nothing is changed. */
export const hardwareAppliesQuery = (id: string, hardware: NonNullable<Ask<'desktopUpdate'>['body']>['hardware']) =>
  queryOptions({
    queryKey: ['desktop', 'applies', id, hardware],
    queryFn: () => client.desktopUpdate({ params: { id }, body: { hardware, dryRun: true } }),
    placeholderData: keepPreviousData,
    retry: false,
    // What its host has left changes with every other desktop.
    staleTime: 0,
  })
export const poolChangesQuery = (id: string, body: NonNullable<Ask<'poolUpdate'>['body']>) =>
  queryOptions({
    queryKey: ['pool', id, 'changes', body],
    queryFn: async () => (await client.poolUpdate({ params: { id }, query: { dryRun: true }, body })).changes,
    placeholderData: keepPreviousData,
    retry: false,
  })
export const poolRemovalQuery = (id: string) =>
  queryOptions({
    queryKey: ['pool', id, 'removal'],
    queryFn: () => client.poolRemovalPlan({ params: { id } }),
    staleTime: 0,
  })
export const entitlementQuery = (id: string) =>
  queryOptions({ queryKey: ['pool', id, 'entitlement'], queryFn: () => client.entitlementGet({ params: { id } }) })

export const desktopsQuery = (query: Query<'desktopList'> = {}) =>
  queryOptions({
    queryKey: ['desktop', 'list', query],
    queryFn: () => client.desktopList({ query }),
    placeholderData: keepPreviousData,
  })
export const desktopQuery = (id: string) =>
  queryOptions({ queryKey: ['desktop', id], queryFn: () => client.desktopGet({ params: { id } }) })
/** @param life of its disk; null: the newest. */
export const desktopLogQuery = (id: string, life: number | null) =>
  queryOptions({
    queryKey: ['desktop', id, 'log', life],
    queryFn: () => client.desktopLog({ params: { id }, query: life === null ? {} : { life } }),
    placeholderData: keepPreviousData,
  })
/** What libvirt says is read anew when something of the machine changed, and now and then: never shown from before. */
const xmlOptions = { staleTime: 0, refetchInterval: 10_000, placeholderData: keepPreviousData }
export const desktopXmlQuery = ({ id, hostId, power, phase, hardware }: Answer<'desktopGet'>) =>
  queryOptions({
    queryKey: ['xml', 'desktop', id, hostId, power, phase, hardware],
    queryFn: () => client.desktopXml({ params: { id } }),
    ...xmlOptions,
  })
export const hostXmlQuery = (id: string) =>
  queryOptions({ queryKey: ['xml', 'host', id], queryFn: () => client.hostXml({ params: { id } }), ...xmlOptions })
export const snapshotsQuery = (id: string) =>
  queryOptions({
    queryKey: ['desktop', id, 'snapshots'],
    queryFn: () => client.snapshotList({ params: { id } }),
  })
export const historyQuery = (id: string) =>
  queryOptions({
    queryKey: ['desktop', id, 'history'],
    queryFn: () => client.desktopHistory({ params: { id }, query: { limit: 100 } }),
  })

export const templatesQuery = (query: Query<'templateList'> = {}) =>
  queryOptions({
    queryKey: ['template', 'list', query],
    queryFn: () => client.templateList({ query }),
    placeholderData: keepPreviousData,
  })
export const templateQuery = (id: string) =>
  queryOptions({ queryKey: ['template', id], queryFn: () => client.templateGet({ params: { id } }) })

export const hostsQuery = (query: Query<'hostList'> = {}) =>
  queryOptions({
    queryKey: ['host', 'list', query],
    queryFn: () => client.hostList({ query }),
    placeholderData: keepPreviousData,
  })
export const hostQuery = (id: string) =>
  queryOptions({ queryKey: ['host', id], queryFn: () => client.hostGet({ params: { id } }) })
/** A heartbeat is no event: what hosts use is read so often where it is shown. Shorter: traffic; longer: old figures. */
export const usageMs = 10_000
export const bootQueueQuery = (id: string) =>
  queryOptions({ queryKey: ['host', id, 'queue'], queryFn: () => client.bootQueueGet({ params: { id } }) })
/** Page after page, newest first. */
export const hostHistoryQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['host', id, 'history'],
    queryFn: ({ pageParam: cursor }) =>
      client.hostHistory({ params: { id }, query: { limit: 50, ...(cursor && { cursor }) } }),
    initialPageParam: '',
    getNextPageParam: page => page.nextCursor,
  })
export const hostLossesQuery = queryOptions({ queryKey: ['host', 'losses'], queryFn: () => client.hostLossList() })
export const sitesQuery = queryOptions({
  queryKey: ['site', 'list'],
  queryFn: () => client.siteList({ query: { limit: 500 } }),
})
export const clustersQuery = queryOptions({
  queryKey: ['cluster', 'list'],
  queryFn: () => client.clusterList({ query: { limit: 500 } }),
})
export const clusterQuery = (id: string) =>
  queryOptions({ queryKey: ['cluster', id], queryFn: () => client.clusterGet({ params: { id } }) })

export const usbDevicesQuery = (hostId: string) =>
  queryOptions({
    queryKey: ['dongle', 'host', hostId],
    queryFn: () => client.usbDeviceList({ params: { id: hostId } }),
  })
export const donglesQuery = (query: Query<'dongleList'> = {}) =>
  queryOptions({ queryKey: ['dongle', 'list', query], queryFn: () => client.dongleList({ query }) })

export const movesQuery = (query: Query<'migrationList'> = {}) =>
  queryOptions({
    queryKey: ['migration', 'list', query],
    queryFn: () => client.migrationList({ query }),
    placeholderData: keepPreviousData,
  })
export const removalQuery = (id: string) =>
  queryOptions({
    queryKey: ['host', id, 'removal'],
    queryFn: () => client.hostRemovalPlan({ params: { id } }),
    staleTime: 0,
  })
/** Dry runs ask by POST, and change nothing: read like everything else, and asked anew when a desktop or host changes. */
export const evacuationQuery = (id: string) =>
  queryOptions({
    queryKey: ['migration', 'evacuation', id],
    queryFn: () => client.hostEnterMaintenance({ params: { id }, body: { evacuate: true, dryRun: true } }),
    placeholderData: keepPreviousData,
  })
export const bringBackQuery = (id: string) =>
  queryOptions({
    queryKey: ['migration', 'bringBack', id],
    queryFn: () => client.hostLeaveMaintenance({ params: { id }, body: { bringBack: true, dryRun: true } }),
    placeholderData: keepPreviousData,
  })
export const movePlanQuery = (id: string, ask: { hostId?: string; restart?: boolean } = {}) =>
  queryOptions({
    queryKey: ['migration', 'plan', id, ask],
    queryFn: () => client.desktopMigrate({ params: { id }, body: { ...ask, dryRun: true } }),
  })
export const placementQuery = (desktopId: string) =>
  queryOptions({
    queryKey: ['placement', desktopId],
    queryFn: () => client.placementList({ params: { id: desktopId } }),
  })

export const tasksQuery = (query: Query<'taskList'> = {}) =>
  queryOptions({ queryKey: ['task', 'list', query], queryFn: () => client.taskList({ query }) })

/** Under its host's key: the host tells when there are others. */
export const foreignMachinesQuery = (id: string) =>
  queryOptions({
    queryKey: ['host', id, 'foreign'],
    queryFn: () => client.foreignMachineList({ params: { id } }),
  })

export const usersQuery = (query: Query<'userList'> = {}) =>
  queryOptions({
    queryKey: ['user', 'list', query],
    queryFn: () => client.userList({ query }),
    placeholderData: keepPreviousData,
  })
export const userQuery = (id: string) =>
  queryOptions({ queryKey: ['user', id], queryFn: () => client.userGet({ params: { id } }) })
export const groupsQuery = (query: Query<'groupList'> = {}) =>
  queryOptions({ queryKey: ['group', 'list', query], queryFn: () => client.groupList({ query }) })
export const tokensQuery = queryOptions({ queryKey: ['token'], queryFn: () => client.tokenList() })
export const auditQuery = (query: Query<'auditList'> = {}) =>
  queryOptions({
    queryKey: ['audit', 'list', query],
    queryFn: () => client.auditList({ query }),
    placeholderData: keepPreviousData,
  })
