import { z } from '@hono/zod-openapi'
import { describe, expect, it } from 'vitest'
import { isOwnFault, readPart } from '../../api/errors.ts'
import type { AnyRoute } from '../../api/route.ts'
import { routes } from '../../api/routes.ts'
import { errorCodes, type HdcsError } from '../../lib/errors.ts'
import { textsOf } from '../support/schemas.ts'

it('a refusal, and that no host has room, is no fault of the server in its log', () => {
  const faults = ['storage_full', 'start_failed', 'setup_failed', 'unreachable', 'timeout', 'protocol', 'internal']
  expect(errorCodes.filter(isOwnFault)).toEqual(faults)
})

const tagged = z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })])

describe('what is wrong with a field', () => {
  const wrong = (schema: z.ZodType, value: unknown) => {
    try {
      readPart('body', z.object({ sizeBytes: schema }), value === undefined ? {} : { sizeBytes: value })
    } catch (error) {
      return (error as HdcsError).fields[0]?.message
    }
    throw new Error('this should have been refused')
  }

  it.each<[string, z.ZodType, unknown]>([
    ['is missing', z.string(), undefined],
    ['is missing', z.enum(['a', 'b']), undefined],
    ['must be text', z.string(), 5],
    ['must be a number', z.number(), 'five'],
    ['must be a number', z.coerce.number().int(), 'five'],
    ['must be a whole number', z.number().int(), 1.5],
    ['must be true or false', z.boolean(), 'yes'],
    ['must be a list', z.array(z.string()), 'a'],
    ['must be an object with named fields', z.object({}), 'a'],
    ['must be one of a, b', z.enum(['a', 'b']), 'c'],
    ['must be a', z.literal('a'), 'c'],
    ['must be 1 GiB at least', z.number().min(2 ** 30), 5],
    ['must be 2 TiB at most', z.number().max(2 ** 41), 2 ** 42],
    ['must be more than 0', z.number().positive(), -1],
    ['is too large', z.number().int(), 2 ** 60],
    ['must not be empty', z.string().min(1), ''],
    ['must have 3 characters at most', z.string().max(3), 'four'],
    ['must have 1 entry at least', z.array(z.string()).min(1), []],
    ['must be a multiple of 512', z.number().multipleOf(512), 100],
    ['must be an id (a UUID)', z.uuid(), 'five'],
    ['is not of the form that is taken here', z.string().regex(/^[a-z]+$/), '5'],
    ['must be an id (a UUID)', z.guid(), 'nonsense'],
    ['must be one of a: it is none of the forms that it may have', tagged, { kind: 'b' }],
    ['is none of the forms that it may have', z.union([z.string(), z.number()]), true],
    ['has words of its own', z.string().regex(/^a/, 'has words of its own'), 'b'],
  ])('is said in words for people: %s', (words, schema, value) => {
    expect(wrong(schema, value)).toBe(words)
  })

  it('is in nobody else’s words in any route', () => {
    for (const { body } of routes as readonly AnyRoute[])
      for (const value of [{}, 'text', ...nonsense(body)]) expect(said(body, value)).not.toMatch(library)
  })

  it('is no pattern, in no text of any address, query or body', () => {
    const texts = (routes as readonly AnyRoute[]).flatMap(textsOf)
    expect(texts.length).toBeGreaterThan(200)
    for (const { at, schema } of texts)
      for (const value of ['nonsense', 'NONSENSE', '!', '\u0001', 'ü', ' ', '-', '0', '/', 'a\nb', '💻'.repeat(3000)])
        expect([at, said(schema, value)]).toEqual([at, expect.not.stringMatching(pattern)])
  })
})

/** Raw expressions, zod’s sentence about them, and our own for what has no words. */
const pattern = /\/\^|\$\/|\[a-z|\\d|must match|is not of the form/

/** How zod says it in English. */
const library = /Invalid|Too (big|small)|expected|received|Unrecognized/

/** Bodies whose every field is wrong in the same way. */
const nonsense = (schema: z.ZodType | undefined) =>
  schema instanceof z.ZodObject
    ? [null, true, 1e300, -1.5, 'x'.repeat(5000), '', [], [{}], {}, { kind: 'upload' }].map(value =>
        Object.fromEntries(Object.keys(schema.shape).map(name => [name, value])),
      )
    : []

function said(schema: z.ZodType | undefined, value: unknown): string {
  try {
    if (schema) readPart('body', schema, value)
    return ''
  } catch (error) {
    return (error as HdcsError).fields.map(({ message }) => message).join('\n')
  }
}
