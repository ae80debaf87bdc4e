/** Walks the schemas of routes, for what must hold of every field there is. */
import { z } from '@hono/zod-openapi'
import type { AnyRoute } from '../../api/route.ts'

export interface Field {
  /** `poolCreate body.network.allow.*.ports` */
  at: string
  part: 'params' | 'query' | 'body'
  schema: z.ZodType
}

/** Every field of a route's address, query and body that may be a text, however deep. */
export const textsOf = (route: AnyRoute): Field[] =>
  (['params', 'query', 'body'] as const).flatMap(part =>
    leavesOf(route[part], `${route.operationId} ${part}`).map(leaf => ({ ...leaf, part })),
  )

function leavesOf(schema: z.core.$ZodType | undefined, at: string): { at: string; schema: z.ZodType }[] {
  if (schema === undefined) return []
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).flatMap(([name, field]) => leavesOf(field, `${at}.${name}`))
  if (schema instanceof z.ZodArray) return leavesOf(schema.element, `${at}.*`)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(option => leavesOf(option, at))
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return leavesOf(schema.unwrap(), at)
  if (schema instanceof z.ZodRecord)
    return [...leavesOf(schema.keyType, `${at}.KEY`), ...leavesOf(schema.valueType, `${at}.*`)]
  if (schema instanceof z.ZodPipe) return leavesOf(schema.in, at)
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat) return [{ at, schema }]
  return []
}
