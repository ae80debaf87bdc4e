/**
 * What an agent may say, checked: a broken or foreign agent must not write into the database what nobody can read
 * again. Fields that are not known here are dropped, so that a newer agent can say more.
 */
import { z } from '@hono/zod-openapi'
import type { AgentHub } from '../broker/agents.ts'
import { errorCodes } from '../lib/errors.ts'

/** vmm/protocol.ts's FromAgent, as the hub takes it. */
export type AgentMessage = Parameters<ReturnType<AgentHub['attach']>['received']>[0]

/** Longer texts are cut, not refused: a builder's endless last line is no reason to lose the host. */
const maxTextLength = 4_000
/** More than any host has; a report of more would hold the database for minutes. */
const maxThings = 10_000

const text = z.string().transform(value => value.slice(0, maxTextLength).replaceAll('\0', '').toWellFormed())
/** Names and figures of a host are short; a long one is no name. */
const word = text.pipe(z.string().max(500))
const id = z.guid()
const count = z.int().min(0)
const bytes = count.nullable()
const trouble = z.object({ code: z.enum(errorCodes), text })

const machine = z.object({
  id,
  generation: count,
  incarnation: count.nullable(),
  power: z.enum(['running', 'paused', 'stopped']),
  stopped: z.enum(['wished', 'guest', 'crashed']).nullable(),
  ready: z.boolean(),
  step: z.enum(['queued', 'making disk', 'starting', 'booting', 'stopping', 'removing']).nullable(),
  queuePlace: count.nullable(),
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
  trouble: trouble.nullable(),
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
    diskLocks: z.boolean(),
    migrationUri: word.nullable(),
    transferUrl: word.nullish(),
    bridges: z.array(word).max(200),
  }),
  capacity: count,
  usage: z.object({
    cpu: z.number().min(0),
    // The difference of two sources, which containers see apart: below zero is odd, and no reason to lose the host.
    memoryUsedBytes: z.int(),
    storageTotalBytes: count,
    storageFreeBytes: count,
  }),
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
