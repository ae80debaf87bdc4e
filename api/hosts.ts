import { z } from '@hono/zod-openapi'
import { hostRemovalPlan, hostRemove } from '../broker/host-removal.ts'
import { hostGet, hostList, hostUpdate, joinTokenMake } from '../broker/hosts.ts'
import {
  actionSchema,
  flag,
  idParams,
  listOf,
  nameSchema,
  pageQuery,
  route,
  timestamp,
  troubleSchema,
} from './route.ts'
import { capacitiesSchema, resourcesSchema } from './sites.ts'

export const hostSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    clusterId: z.uuid(),
    clusterName: z.string(),
    siteName: z.string(),
    state: z.enum(['online', 'suspect', 'lost', 'maintenance', 'joining']),
    since: timestamp,
    /** Since when it is off by our own wish, to save power; null: it shall be on. */
    offSince: timestamp.nullable(),
    /** When it was last made sure, by command or by a person’s word, that it is off. */
    fencedAt: timestamp.nullable(),
    /** Desktops of the reference profile (1 vCPU, 1 GiB) it can run at once. */
    capacity: z.number().int(),
    /** What the capacity ends at; null before it told its facts. */
    capacityLimit: z.enum(['vcpus', 'memory']).nullable(),
    capacities: capacitiesSchema,
    resources: resourcesSchema,
    used: z.object({
      desktops: z.number().int(),
      running: z.number().int(),
      vcpus: z.number().int(),
      memoryBytes: z.number().int(),
    }),
    subnet: z.string(),
    /** Where gateways and other hosts reach it. */
    address: z.string().nullable(),
    /** Hosts with the same one share their storage. */
    storageId: z.string().nullable(),
    /** What it has that others have not: pools may need it. */
    tags: z.array(z.string()),
    facts: z
      .object({
        hostName: z.string(),
        kernel: z.string(),
        libvirtVersion: z.string(),
        qemuVersion: z.string(),
        cpuModel: z.string(),
        cpus: z.number().int(),
        memoryBytes: z.number().int(),
        accelerator: z.enum(['kvm', 'tcg']),
        acceleratorReason: z.string().nullable(),
        simulated: z.boolean(),
        /** What the capacity is computed from (docs/capacity.md). */
        cpuMhz: z.number(),
        sockets: z.number().int(),
        coresPerSocket: z.number().int(),
        threadsPerCore: z.number().int(),
        maxVcpus: z.number().int(),
        /** A disk that runs elsewhere is refused here: desktops of a lost host may return on their own disks. */
        diskLocks: z.boolean(),
        /** Where other hosts send running desktops; null: live migration is not set up here. */
        migrationUri: z.string().nullable(),
        /** Bridges and VLAN interfaces that pools may name. */
        bridges: z.array(z.string()),
        /** It has firmware for desktops that start by UEFI; absent: its agent is too old for them. */
        uefi: z.boolean().optional(),
      })
      .nullable(),
    usage: z
      .object({
        cpu: z.number(),
        memoryUsedBytes: z.number().int(),
        storageTotalBytes: z.number().int(),
        storageFreeBytes: z.number().int(),
      })
      .nullable(),
    troubles: z.array(troubleSchema),
    /** Its storage is filling up: how far, and what to do. */
    storageWarning: z.string().nullable(),
    actions: z.array(actionSchema),
  })
  .openapi('Host')

const hostSettings = z.object({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/, 'letters, digits, dots and dashes, 63 at most'),
  tags: z.array(nameSchema).max(50),
})

const removalSchema = z
  .object({
    hostId: z.uuid(),
    hostName: z.string(),
    /** In one sentence, naming what is lost. */
    text: z.string(),
    desktops: z.array(
      z.object({
        desktopId: z.uuid(),
        desktopName: z.string(),
        userName: z.string().nullable(),
        /** `remade`: by its pool; `moved`: another host has its disk; `lost`: with what its person kept on it; `returned`: it is elsewhere already, and its old copy may still run here. */
        fate: z.enum(['remade', 'moved', 'lost', 'returned']),
        hostName: z.string().nullable(),
        /** It goes elsewhere, and its dongle stays. */
        losesDongle: z.boolean(),
      }),
    ),
  })
  .openapi('HostRemoval')

export const hostRoutes = [
  route({
    method: 'get',
    path: '/api/v1/hosts',
    operationId: 'hostList',
    summary: 'Hosts with state, capacity and what they use',
    permission: 'host.read',
    query: pageQuery.extend({ name: z.string().optional(), clusterId: z.uuid().optional() }),
    answers: { 200: listOf(hostSchema) },
    handle: async ({ broker, principal, query }) => ({ status: 200, body: await hostList(broker, principal, query) }),
  }),
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}',
    operationId: 'hostGet',
    summary: 'One host',
    permission: 'host.read',
    params: idParams,
    answers: { 200: hostSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await hostGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/hosts/{id}',
    operationId: 'hostUpdate',
    summary: 'Give a host another name, or say what it has',
    permission: 'host.write',
    params: idParams,
    body: hostSettings.partial(),
    answers: { 200: hostSchema },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await hostUpdate(broker, principal, params.id, body),
    }),
  }),
  route({
    method: 'delete',
    path: '/api/v1/hosts/{id}',
    operationId: 'hostRemove',
    summary:
      'Let a host leave: its key dies, its subnet is free again; refused while desktops or old copies of them may be on it, unless it is lost and forced',
    permission: 'host.write',
    params: idParams,
    query: z.object({
      /** Says that the host is off for good: desktops whose disks other hosts have go there, the rest is given up. */
      force: flag().default(false),
    }),
    answers: { 204: null },
    handle: async ({ broker, principal, params, query }) => {
      await hostRemove(broker, principal, params.id, query.force)
      return { status: 204, body: undefined }
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/hosts/{id}/removal',
    operationId: 'hostRemovalPlan',
    summary: 'What would become of each desktop if this host were removed by force',
    permission: 'host.read',
    params: idParams,
    answers: { 200: removalSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await hostRemovalPlan(broker, principal, params.id),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/hosts/join-tokens',
    operationId: 'joinTokenMake',
    secret: true,
    summary: 'A one-time token with which a new host’s agent joins a cluster',
    permission: 'host.write',
    body: z.object({ clusterId: z.uuid().optional(), minutes: z.number().int().min(1).max(1440).default(60) }),
    answers: {
      201: z.object({
        token: z.string(),
        expiresAt: timestamp,
        /** One line for a shell of the new host. */
        command: z.string(),
        /** False: its address means the control plane's own machine alone; another one reaches nothing there. */
        reachable: z.boolean(),
      }),
    },
    handle: async ({ broker, principal, body, origin }) => ({
      status: 201,
      body: await joinTokenMake(broker, principal, body, origin),
    }),
  }),
]
