import { z } from '@hono/zod-openapi'
import { desktopHardwareSet } from '../broker/desktop-hardware.ts'
import { desktopAct, desktopGet, desktopHistory, desktopList } from '../broker/desktops.ts'
import { sessionConnect, sessionViewerFile } from '../broker/sessions.ts'
import { hardwareNames, hardwareSchema } from './hardware.ts'
import { migrationKindSchema, migrationStateSchema } from './migration-schema.ts'
import {
  actionSchema,
  flag,
  idParams,
  listOf,
  nameSchema,
  numberedPageQuery,
  pageQuery,
  route,
  timestamp,
  troubleSchema,
} from './route.ts'
import { accepted, taskSchema } from './tasks.ts'

export const desktopActions = [
  'start',
  'shutdown',
  'poweroff',
  'reboot',
  'reset',
  'suspend',
  'resume',
  'save',
  'release',
  'delete',
  'customise',
  'restore',
  'purge',
] as const

const changedNames = z.enum([...hardwareNames.options, 'cdrom', 'bootDisc'])

const phaseSchema = z.enum([
  'making',
  'stopped',
  'starting',
  'ready',
  'paused',
  'stopping',
  'recycling',
  'removing',
  'failed',
  'unknown',
])

export const desktopSchema = z
  .object({
    id: z.uuid(),
    name: z.string(),
    poolId: z.uuid(),
    poolName: z.string(),
    kind: z.enum(['floating', 'persistent']),
    hostId: z.uuid().nullable(),
    hostName: z.string().nullable(),
    userId: z.uuid().nullable(),
    userName: z.string().nullable(),
    address: z.string().nullable(),
    /** Its network card, and what of its pool's network that is on. */
    nic: z.object({
      mac: z.string(),
      mode: z.enum(['nat', 'routed', 'bridge', 'isolated']),
      interface: z.string().nullable(),
      vlan: z.number().int().nullable(),
    }),
    templateVersion: z.number().int(),
    hardware: hardwareSchema,
    phase: phaseSchema,
    /** Why it is in this phase, as noted when it came to it. */
    reason: z.string(),
    since: timestamp,
    power: z.enum(['running', 'paused', 'stopped']).nullable(),
    /** Stands still with its memory kept on its host: it goes on from there when it starts; forcing it off discards that. */
    saved: z.object({ at: timestamp, bytes: z.number().int() }).nullable(),
    /** While something is under way: what, how long such things take, and the place in the host's queue. */
    step: z
      .object({
        name: z.string(),
        startedAt: timestamp,
        estimateMs: z.number().int().nullable(),
        queuePlace: z.number().int().nullable(),
        /** The script that runs in its guest, while it is customised. */
        text: z.string().nullable(),
      })
      .nullable(),
    session: z
      .object({ state: z.enum(['connected', 'disconnected']), since: timestamp, clients: z.number().int() })
      .nullable(),
    /** In its host's words for those who may see machines, in those of its code for its person. */
    trouble: troubleSchema.nullable(),
    /** A lost host that must be back, or off for certain (`fence`), before it can run again: an older copy may run there. */
    /** The template version that is being made of its disk, which stays as it is until then. */
    capturedBy: z.object({ templateId: z.uuid(), templateName: z.string(), number: z.number().int() }).nullable(),
    waitsForHost: z.object({ id: z.uuid(), name: z.string(), fence: z.boolean() }).nullable(),
    /** Why it has no network while it runs; gone at its next start. */
    noNetwork: z.string().nullable(),
    /** When it is given back by force, because its pool goes to another version: whoever has it saves what matters before. */
    backAt: timestamp.nullable(),
    /** Its way to another host, while it is on it (`GET /migrations` has the past ones). */
    move: z
      .object({
        id: z.uuid(),
        state: migrationStateSchema,
        kind: migrationKindSchema,
        toHostId: z.uuid().nullable(),
        toHostName: z.string().nullable(),
        progress: z.number().int(),
        text: z.string(),
      })
      .nullable(),
    /** The template version of an ISO file that is in its CD-ROM drive; and whether its guest, which runs, has one. */
    cdrom: z.uuid().nullable(),
    drive: z.boolean(),
    /** It starts from that disc before its disk. */
    bootDisc: z.boolean(),
    /**
     * What its guest has while it runs, how far that grows before its next start, and what of it is not taken, if anything;
     * null: it does not run, or its host's agent is older.
     */
    runsWith: z
      .object({
        vcpus: z.number().int(),
        memoryBytes: z.number().int(),
        maxVcpus: z.number().int(),
        maxMemoryBytes: z.number().int(),
        text: z.string(),
      })
      .nullable(),
    /** Since when it is in the recycle bin, and when it goes for good. */
    binned: z.object({ at: timestamp, until: timestamp }).nullable(),
    /** Deleted now, it would stay in the recycle bin for so many days; 0: it would be gone. */
    binDays: z.number().int(),
    assignedAt: timestamp.nullable(),
    madeAt: timestamp,
    actions: z.array(actionSchema),
  })
  .openapi('Desktop')

export const connectSchema = z
  .object({
    ticket: z.string(),
    /** Of this screen: `?resume=` asks to come back to it. */
    sessionId: z.uuid(),
    expiresAt: timestamp,
    /** Add `&channel=TYPE.ID`; subprotocol `binary`. */
    webSocketUrl: z.string(),
    viewerFileUrl: z.string(),
    usb: z.object({ filter: z.string() }),
  })
  .openapi('Connection')

export const desktopRoutes = [
  route({
    method: 'get',
    path: '/api/v1/desktops',
    operationId: 'desktopList',
    summary: 'Desktops: your own, or all for administrators',
    permission: 'self',
    query: pageQuery.extend({
      mine: flag().optional(),
      poolId: z.uuid().optional(),
      hostId: z.uuid().optional(),
      userId: z.uuid().optional(),
      phase: phaseSchema.optional(),
      name: z.string().optional(),
      /** Those that something keeps from being used: a trouble, or a lost host. */
      troubled: flag().optional(),
      /** Those that came running from another cluster, and have no network until they start anew. */
      noNetwork: flag().optional(),
      /** Those in the recycle bin, for administrators. */
      binned: flag().optional(),
      /** Part of a name, address or person. */
      search: z.string().trim().max(100).optional(),
    }),
    answers: { 200: listOf(desktopSchema) },
    handle: async ({ broker, principal, query }) => ({
      status: 200,
      body: await desktopList(broker, principal, query),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}',
    operationId: 'desktopGet',
    summary: 'One desktop',
    permission: 'self',
    params: idParams,
    answers: { 200: desktopSchema },
    handle: async ({ broker, principal, params }) => ({
      status: 200,
      body: await desktopGet(broker, principal, params.id),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/history',
    operationId: 'desktopHistory',
    summary: 'Every change of state with its reason, newest first',
    permission: 'desktop.read',
    params: idParams,
    query: numberedPageQuery,
    answers: {
      200: listOf(
        z.object({
          at: timestamp,
          from: z.string().nullable(),
          to: z.string(),
          reason: z.string(),
          userName: z.string().nullable(),
        }),
      ),
    },
    handle: async ({ broker, params, query }) => ({
      status: 200,
      body: await desktopHistory(broker, params.id, query),
    }),
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/actions/{name}',
    operationId: 'desktopAct',
    summary:
      'Start, stop, reboot, give back …: `actions` of the desktop says what is allowed now. `delete` puts a person’s desktop into the recycle bin, `restore` gives it back, `purge` removes it from there for good',
    permission: 'self',
    params: idParams.extend({ name: z.enum(desktopActions) }),
    answers: { 202: z.object({ task: taskSchema, desktop: desktopSchema }) },
    handle: async ({ broker, principal, params }) => {
      const { task, desktop } = await desktopAct(broker, principal, params.id, params.name)
      return accepted({ task, desktop })
    },
  }),
  route({
    method: 'post',
    path: '/api/v1/desktops/{id}/connect',
    operationId: 'desktopConnect',
    secret: true,
    summary: 'A ticket to the desktop’s screen, good for 60 seconds before its first use',
    permission: 'desktop.use',
    params: idParams,
    query: z.object({
      /** The session whose screen the desktop closed: refused unless the desktop moved to another host; waits until it is there. */
      resume: z.uuid().optional(),
    }),
    answers: { 200: connectSchema },
    handle: async ({ broker, principal, params, query, origin }) => ({
      status: 200,
      body: await sessionConnect(broker, principal, params.id, origin, query.resume),
    }),
  }),
  route({
    method: 'patch',
    path: '/api/v1/desktops/{id}',
    operationId: 'desktopUpdate',
    summary:
      'Change hardware, name (while it is stopped) or the disc in the drive of one desktop; says what its guest has at once, and what after its next start and why; `dryRun` only says so, and refuses what would be refused',
    permission: 'desktop.write',
    params: idParams,
    body: z.object({
      hardware: hardwareSchema.partial().optional(),
      name: nameSchema.optional(),
      /** A template version that was made of an ISO file; null takes out what is there. */
      cdrom: z.uuid().nullable().optional(),
      /** From its next start on it starts from the disc before its disk, until the disc is taken out. */
      bootDisc: z.boolean().optional(),
      /** Changes nothing: the answer says when its hardware would. */
      dryRun: z.boolean().default(false),
    }),
    answers: {
      200: z.object({
        desktop: desktopSchema,
        applies: z.object({
          now: z.array(changedNames),
          nextStart: z.array(changedNames),
          /** Of those that wait although it runs: why. */
          why: z.partialRecord(changedNames, z.string()),
        }),
      }),
    },
    handle: async ({ broker, principal, params, body }) => ({
      status: 200,
      body: await desktopHardwareSet(broker, principal, params.id, body.hardware ?? {}, body, body.dryRun),
    }),
  }),
  route({
    method: 'get',
    path: '/api/v1/desktops/{id}/viewer-file',
    operationId: 'desktopViewerFile',
    summary: 'A `.vv` file that opens the same desktop in remote-viewer',
    permission: 'desktop.use',
    // A new password for the screen: the ones before it open nothing any more.
    acts: true,
    params: idParams,
    produces: 'application/x-virt-viewer',
    answers: { 200: z.string() },
    handle: async ({ broker, principal, params, origin }) => {
      const { fileName, text } = await sessionViewerFile(broker, principal, params.id, origin)
      return { status: 200, body: text, headers: { 'content-disposition': `attachment; filename="${fileName}"` } }
    },
  }),
]
