/**
 * What an agent may say, checked: a broken or foreign agent must not write into the database what nobody can read
 * again. Fields that are not known here are dropped, so that a newer agent can say more.
 */
import { z } from '@hono/zod-openapi'
import type { AgentHub } from '../broker/agents.ts'
import { errorCodes } from '../lib/errors.ts'
import { diskBuses, firmwares } from '../lib/hardware.ts'
import { storageMessage } from './storage-messages.ts'

/** vmm/protocol.ts's FromAgent, as the hub takes it. */
export type AgentMessage = Parameters<ReturnType<AgentHub['attach']>['received']>[0]

/** Longer texts are cut, not refused: a builder's endless last line is no reason to lose the host. */
const maxTextLength = 4_000
/** More than any host has; a report of more would hold the database for minutes. */
const maxThings = 10_000
/** More USB devices than one machine may have. */
const maxOfMachine = 100

const text = z.string().transform(value => value.slice(0, maxTextLength).replaceAll('\0', '').toWellFormed())
/** Names and figures of a host are short; a long one is no name. */
const word = text.pipe(z.string().max(500))
const id = z.guid()
const count = z.int().min(0)
const bytes = count.nullable()
const trouble = z.object({ code: z.enum(errorCodes), text })

/** As much as a guest's script may have written (vmm/guest-sh.ts), and a little. */
const maxOutputLength = 40_000
const step = z.enum(['answers', 'hostName', 'domain', 'before', 'after'])
const state = z.enum(['running', 'done', 'failed'])
const setup = z.object({
  key: word,
  state,
  runs: z
    .array(
      z.object({
        id: word,
        name: step,
        attempt: z.int().min(1),
        state,
        exitCode: z
          .int()
          .min(-(2 ** 31))
          .max(2 ** 32)
          .nullable(),
        text,
        startedAt: z.iso.datetime(),
        ms: z
          .int()
          .min(0)
          .max(2 ** 31 - 1),
        output: z
          .string()
          .transform(value => value.slice(-maxOutputLength).replaceAll('\0', '').toWellFormed())
          .nullable(),
      }),
    )
    .max(100),
})

const machine = z.object({
  id,
  generation: count,
  incarnation: count.nullable(),
  power: z.enum(['running', 'paused', 'stopped']),
  stopped: z.enum(['wished', 'guest', 'crashed']).nullable(),
  ready: z.boolean(),
  step: z.enum(['queued', 'making disk', 'starting', 'booting', 'stopping', 'removing']).nullable(),
  cdrom: z.object({ imageId: id.nullable() }).nullish(),
  hardware: z.object({ vcpus: count, memoryBytes: count, maxVcpus: count, maxMemoryBytes: count, text }).optional(),
  queuePlace: count.nullable(),
  work: z.object({ progress: z.int().min(0).max(100), text }).nullish(),
  graphics: z.object({ host: z.string().min(1).max(255), port: z.int().min(1).max(65535), serial: count }).nullable(),
  clients: count,
  move: z
    .object({
      id,
      state: z.enum(['preparing', 'ready', 'moving', 'arrived', 'left', 'failed']),
      progress: z.int().min(0).max(100),
      text,
      trouble: trouble.nullable(),
    })
    .nullable(),
  saved: z
    .discriminatedUnion('state', [
      z.object({ state: z.literal('saving'), progress: z.int().min(0).max(100) }),
      z.object({ state: z.literal('saved'), bytes: count, savedAt: z.iso.datetime() }),
      z.object({ state: z.literal('failed'), trouble }),
    ])
    .optional(),
  snapshots: z
    .object({
      found: z
        .array(z.object({ id, takenAt: z.iso.datetime(), diskBytes: count, frozen: z.boolean().nullable() }))
        .max(maxOfMachine),
      failed: z.array(z.object({ id, trouble })).max(maxOfMachine),
      reverted: id.nullable(),
    })
    .optional(),
  trouble: trouble.nullable(),
  dongles: z
    .array(z.object({ id, state: z.enum(['attached', 'waiting', 'missing', 'inUse', 'refused']), text }))
    .max(maxOfMachine)
    .optional(),
  setup: setup.nullish(),
})

const image = z.object({
  id,
  attempt: count,
  state: z.enum(['waiting', 'making', 'ready', 'failed']),
  progress: z.int().min(0).max(100),
  text,
  virtualBytes: bytes,
  storedBytes: bytes,
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  trouble: trouble.nullable(),
})

const usbId = z.string().regex(/^[0-9a-f]{4}$/)
const usbDevice = z.object({
  vendor: usbId,
  product: usbId,
  vendorName: word,
  productName: word,
  serial: word.nullable(),
  port: z.string().regex(/^\d{1,3}-\d{1,3}(\.\d{1,3}){0,6}$/),
  bus: count,
  device: count,
})

/** More than a host tells of (vmm/libvirt-foreign.ts). */
const maxForeign = 1_000
const foreign = z.object({
  id,
  name: word,
  power: z.enum(['running', 'paused', 'stopped']),
  vcpus: count,
  memoryBytes: count,
  video: word,
  firmware: z.enum(firmwares).optional(),
  diskBus: z.enum(diskBuses).optional(),
  disks: z
    .array(
      z.object({
        path: text.nullable(),
        format: word,
        bus: word,
        sizeBytes: bytes,
        usedBytes: bytes,
        backing: text.nullable(),
      }),
    )
    .max(100),
  nics: z.array(z.object({ mac: word, network: word.nullable() })).max(100),
  obstacles: z.array(text).max(100),
})

const host = z.object({
  facts: z.object({
    hostName: word,
    kernel: word,
    libvirtVersion: word,
    qemuVersion: word,
    cpuModel: word,
    cpus: count,
    memoryBytes: count,
    accelerator: z.enum(['kvm', 'tcg']),
    acceleratorReason: text.nullable(),
    simulated: z.boolean(),
    cpuMhz: z.number().min(0),
    sockets: count,
    coresPerSocket: count,
    threadsPerCore: count,
    maxVcpus: count,
    address: word,
    mac: z
      .string()
      .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/)
      .nullish(),
    storageId: id,
    fileSystem: word.nullish(),
    diskLocks: z.boolean(),
    migrationUri: word.nullable(),
    transferUrl: word.nullish(),
    bridges: z.array(word).max(200),
    uefi: z.boolean().optional(),
    usbDevices: z.array(usbDevice).max(200).optional(),
    can: z.array(word).max(100).optional(),
  }),
  capacity: count,
  usage: z.object({
    cpu: z.number().min(0),
    // The difference of two sources, which containers see apart: below zero is odd, and no reason to lose the host.
    memoryUsedBytes: z.int(),
    storageTotalBytes: count,
    storageFreeBytes: count,
  }),
  foreign: z.array(foreign).max(maxForeign).optional(),
  troubles: z.array(trouble).max(100),
})

const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.int(), host, startedAt: z.iso.datetime().optional() }),
  z.object({
    type: z.literal('report'),
    full: z.boolean(),
    machines: z.array(machine).max(maxThings),
    images: z.array(image).max(maxThings),
    gone: z.array(id).max(maxThings),
    strays: z.array(z.object({ id, incarnations: z.array(z.int()).min(1).max(100) })).max(maxThings),
    storage: storageMessage.optional(),
  }),
  z.object({ type: z.literal('beat'), host: host.nullable() }),
  z.object({ type: z.literal('operated'), operationId: id, trouble: trouble.nullable(), data: z.base64().nullable() }),
]) satisfies z.ZodType<AgentMessage>

/** A message that says everything the protocol has, and that this schema would not take, is an error of the compiler. */
type Takes<_Message extends z.input<typeof messageSchema>> = z.output<typeof messageSchema>

/** @returns the message, or where it leaves the protocol. */
export function readAgentMessage(data: string): { message: Takes<AgentMessage> } | { wrong: string } {
  let json: unknown
  try {
    json = JSON.parse(data)
  } catch {
    return { wrong: 'not JSON' } // said to the agent as the reason of the close
  }
  const read = messageSchema.safeParse(json)
  if (read.success) return { message: read.data }
  const issue = read.error.issues[0]
  return { wrong: `${issue?.path.join('.')}: ${issue?.message}` }
}
