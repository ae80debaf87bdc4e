/** What an agent may say of storage pools and volumes, checked (agent-messages.ts). */
import { z } from '@hono/zod-openapi'
import { errorCodes } from '../lib/errors.ts'

const text = z.string().transform(value => value.slice(0, 4_000).replaceAll('\0', '').toWellFormed())
const trouble = z.object({ code: z.enum(errorCodes), text }).nullable()
const bytes = z.int().min(0).nullable()

export const storageMessage = z.object({
  pools: z
    .array(
      z.object({
        id: z.guid(),
        state: z.enum(['making', 'ready', 'failed', 'gone']),
        refresh: z.int().min(0),
        storageId: z.string().max(100).nullable(),
        fileSystem: z.string().max(100).nullish(),
        capacityBytes: bytes,
        allocationBytes: bytes,
        freeBytes: bytes,
        trouble,
      }),
    )
    .max(1_000),
  volumes: z
    .array(
      z.object({
        id: z.guid(),
        state: z.enum(['waiting', 'making', 'ready', 'failed', 'gone']),
        sizeBytes: bytes,
        storedBytes: bytes,
        usedBy: z.guid().nullable(),
        trouble,
      }),
    )
    .max(10_000),
})
