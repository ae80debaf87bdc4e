import { z } from '@hono/zod-openapi'
import { clusterCreate, clusterDelete, clusterGet, clusterList, clusterUpdate } from '../broker/clusters.ts'
import { commandForm, commandsFolder } from '../lib/commands-folder.ts'
import { interfaceSchema, vlanSchema } from './interfaces.ts'
import { actionSchema, idParams, listOf, nameSchema, pageQuery, route, timestamp } from './route.ts'
import { capacitiesSchema, resourcesSchema } from './sites.ts'

/** A number within limits, which whoever is refused reads as a sentence. */
const within = (least: number, most: number, unit = '') => {
  const text = `must be from ${least} to ${most}${unit}`
  return z.number(text).min(least, text).max(most, text)
}
const whole = 'must be a whole number'

const port = within(1024, 65_535).int(whole)
/** Agents beat every 3 s: less silence than this would suspect hosts that are well. */
const silenceMs = within(4_000, 3_600_000, ' milliseconds').int(whole)
const share = within(0, 0.9)
/** Where hosts of this cluster have a network that pools name. */
const networkSchema = z
  .object({
    /** As pools name it: their network’s `interface`. */
    name: interfaceSchema,
    /** A bridge or interface of the hosts here. */
    interface: interfaceSchema,
    /** In place of the pool's; null: none, whatever the pool says; absent: the pool's own. */
    vlan: vlanSchema.nullable().optional(),
  })
  .openapi('ClusterNetwork')

/** A program and its arguments; it is run as it stands, by no shell. */
const command = z
  .string()
  .max(500)
  .regex(commandForm, `a program in ${commandsFolder} by its whole path, and its arguments`)
  .nullable()

const percent = within(1, 100).int(whole)
const minutes = within(1, 10_080, ' minutes').int(whole)
const rebalanceSchema = z.object({
  enabled: z.boolean(),
  /** Of a host's cores or memory, whichever is used more: above it, a few desktops move elsewhere. */
  thresholdPercent: percent,
  forMinutes: minutes,
  cooldownMinutes: minutes,
  /** At once. */
  maxMoves: within(1, 50).int(whole),
})
const consolidateSchema = z.object({
  enabled: z.boolean(),
  /** Below it, a host is emptied and switched off while the others can carry its desktops. */
  thresholdPercent: percent,
  /** So many stay on. */
  minHosts: within(1, 1000).int(whole),
  forMinutes: minutes,
  cooldownMinutes: minutes,
})
const balanceSchema = z.object({ rebalance: rebalanceSchema, consolidate: consolidateSchema }).openapi('Balance')
/** What is absent stays as it is. */
const balanceBody = z
  .object({ rebalance: rebalanceSchema.partial(), consolidate: consolidateSchema.partial() })
  .partial()

const clusterSettings = z.object({
  name: nameSchema,
  siteId: z.uuid(),
  /** Its desktops' network, a /9 to a /24 of private addresses of its own; each host gets a part of it. */
  supernet: z.cidrv4(),
  /** Where direct clients reach screens; 49152 to 49215 are libvirt's. */
  portFrom: port,
  portTo: port,
  placement: z.enum(['spread', 'pack', 'balanced']),
  /** vCPUs promised per core; null: by the capacity formula (docs/capacity.md). */
  vcpusPerCore: within(0.1, 64).nullable(),
  /** Share of each host's memory that is kept for the host. */
  memoryReserve: share,
  /** Share of its hosts that warm desktops leave to persons. */
  personReserve: share,
  /** A host silent so long gets no new desktops. */
  suspectMs: silenceMs,
  /** A host silent so long is lost: its desktops return elsewhere. */
  lostMs: silenceMs,
  balance: balanceSchema,
  /** Where pools' networks are here; one that is not named is looked for under its own name. */
  networks: z.array(networkSchema).max(200),
  /** Deleted desktops of persons stay in the recycle bin for so long; 0: they are gone at once. */
  binDays: within(0, 3650, ' days').int(whole),
  /** Each of its storages fetches template images no faster, whatever is asked of a copy; from the next fetch on. Null: as fast as it goes. */
  imageBytesPerSecond: within(1024, 1e12, ' bytes a second').int(whole).nullable(),
  /** Makes sure that a lost host is off. Shown to administrators only. */
  fenceCommand: command,
  /** Switches hosts off and on. Shown to administrators only. */
  powerCommand: command,
})

const clusterBody = clusterSettings.extend({ balance: balanceBody }).partial()

export const clusterSchema = clusterSettings
  .extend({
    id: z.uuid(),
    siteName: z.string(),
    hosts: z.number().int(),
    /** Of hosts that are online. */
    capacities: capacitiesSchema,
    /** The largest machine that one of its hosts carries; null while no host has told what it is. */
    largest: z.object({ vcpus: z.number().int(), memoryBytes: z.number().int() }).nullable(),
    resources: resourcesSchema,
    actions: z.array(actionSchema),
    createdAt: timestamp,
  })
  .openapi('Cluster')

export const clusterRoutes = [
  route({
    method: 'get',
    path: '/api/v1/clusters',
    operationId: 'clusterList',
    summary: 'Clusters with their rules and their resource pools',
    permission: 'host.read',
    query: pageQuery.extend({ name: z.string().optional(), siteId: z.uuid().optional() }),
    answers: { 200: listOf(clusterSchema) },
    handle: async ({ broker, principal, query }) => ({
      status: 200,
      body: await clusterList(broker, principal, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/clusters/{id}',
    operationId: 'clusterGet',
    summary: 'One cluster',
    permission: 'host.read',
    params: idParams,
    answers: { 200: clusterSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await clusterGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/clusters',
    operationId: 'clusterCreate',
    summary: 'Add a cluster; without a network of its own choice it gets one',
    permission: 'host.write',
    body: clusterBody.required({ name: true }).openapi('ClusterCreate'),
    answers: { 201: clusterSchema },
    handle: async ({ broker, principal, body }) => ({
      status: 201,
      body: await clusterCreate(broker, principal, body),
    }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/clusters/{id}',
    operationId: 'clusterUpdate',
    summary: 'Change a cluster; its network only while it has no desktops',
    permission: 'host.write',
    params: idParams,
    body: clusterBody,
    answers: { 200: clusterSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await clusterUpdate(broker, principal, params.id, body),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/clusters/{id}',
    operationId: 'clusterDelete',
    summary: 'Remove a cluster; refused while hosts are in it or pools are to use it',
    permission: 'host.write',
    params: idParams,
    answers: { 204: null },
    handle: async ({ broker, principal, params }) => {
      await clusterDelete(broker, principal, params.id)
      return { status: 204, body: undefined }
    },
  }),
]
