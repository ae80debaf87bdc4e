/** Names of network interfaces as bodies give them. */
import { z } from '@hono/zod-openapi'

export const interfaceSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/, 'an interface’s name: letters, digits, dots and dashes, 15 at most')
export const vlanSchema = z.number().int().min(1).max(4094)
