import { z } from '@hono/zod-openapi'

/**
 * The same schema, whose objects at every depth refuse fields they do not name: a misspelt or unchangeable setting
 * that is dropped in silence looks as if it had been done.
 */
export function strictly<S extends z.ZodType>(schema: S): S
export function strictly(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodObject) {
    const shape = Object.entries(schema.def.shape).map(([name, field]) => [name, strictly(field as z.ZodType)])
    return schema.clone({ ...schema.def, shape: Object.fromEntries(shape), catchall: z.never() })
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return schema.clone({ ...schema.def, innerType: strictly(schema.def.innerType as z.ZodType) } as never)
  if (schema instanceof z.ZodArray)
    return schema.clone({ ...schema.def, element: strictly(schema.def.element as z.ZodType) })
  if (schema instanceof z.ZodUnion)
    return schema.clone({ ...schema.def, options: schema.def.options.map(option => strictly(option as z.ZodType)) })
  return schema
}
