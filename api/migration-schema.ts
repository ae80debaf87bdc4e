import { z } from '@hono/zod-openapi'

export const migrationKindSchema = z.enum(['live', 'storage', 'offline'])
export const migrationStateSchema = z.enum(['queued', 'preparing', 'moving', 'done', 'failed', 'cancelled'])
