/** Every operation of the API by its name: `hdcs call desktopList poolId=… limit=5`. Derived from api/openapi.json. */
import { readFileSync } from 'node:fs'
import { HdcsError } from '../lib/errors.ts'
import { find, isId, type Named } from './find.ts'
import { type Column, table } from './print.ts'

export interface Operation {
  id: string
  method: string
  path: string
  summary: string
  params: Field[]
  query: Field[]
  /** null: takes no body. */
  body: Field[] | null
  /** Takes a file instead of a body. */
  streams: boolean
}

interface Field {
  name: string
  required: boolean
  schema: Schema
}

interface Schema {
  type?: string | string[]
  enum?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  allOf?: Schema[]
  $ref?: string
}

interface Document {
  paths: Record<string, Record<string, OperationObject>>
  components?: { schemas?: Record<string, Schema> }
}

interface OperationObject {
  operationId: string
  summary?: string
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}

/** The document that was committed with this program. */
export function documentRead(): Document {
  return JSON.parse(readFileSync(new URL('../api/openapi.json', import.meta.url), 'utf8')) as Document
}

export function operationsOf(document: Document): Operation[] {
  const resolve = (schema: Schema): Schema => {
    const named = schema.$ref ? document.components?.schemas?.[schema.$ref.replace(/^.*\//, '')] : undefined
    return named ? resolve(named) : schema
  }
  const properties = (schema: Schema): Field[] => {
    const { properties: own = {}, required = [], allOf = [] } = resolve(schema)
    const listed = Object.entries(own).map(([name, one]) => ({
      name,
      required: required.includes(name),
      schema: resolve(one),
    }))
    return [...allOf.flatMap(properties), ...listed]
  }
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const where = (place: string) =>
        (operation.parameters ?? [])
          .filter(one => one.in === place)
          .map(({ name, required = false, schema }) => ({ name, required, schema: resolve(schema) }))
      const body = operation.requestBody?.content['application/json']?.schema
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        summary: operation.summary ?? '',
        params: where('path'),
        query: where('query'),
        body: body ? properties(body) : null,
        streams: operation.requestBody?.content['application/octet-stream'] !== undefined,
      }
    }),
  )
}

export interface CallInput {
  params: Record<string, string>
  query: Record<string, string>
  body: Record<string, unknown> | undefined
}

/**
 * `key=value` words → where each belongs. Dots reach inside (`hardware.vcpus=2`), `key:=…` is JSON.
 * @throws HdcsError `invalid` naming what is unknown or missing, and what there is
 */
export function inputOf(operation: Operation, words: readonly string[]): CallInput {
  const input: CallInput = { params: {}, query: {}, body: operation.body ? {} : undefined }
  for (const word of words) {
    const [, key, json, value] = /^([\w.-]+?)(:?)=(.*)$/s.exec(word) ?? []
    if (key === undefined || value === undefined)
      throw new HdcsError('invalid', `${word}: write key=value, or key:=JSON`)
    const [top = key, ...rest] = key.split('.')
    const field = operation.body?.find(({ name }) => name === top)
    if (operation.params.some(({ name }) => name === key)) input.params[key] = value
    else if (operation.query.some(({ name }) => name === key)) input.query[key] = value
    else if (field && input.body)
      put(input.body, [top, ...rest], json ? parsed(word, value) : typed(word, value, within(field.schema, rest)))
    else throw new HdcsError('invalid', `${operation.id} has no ${key}. ${usage(operation)}`)
  }
  const missing = [
    ...operation.params.filter(({ name }) => input.params[name] === undefined),
    ...operation.query.filter(({ name, required }) => required && input.query[name] === undefined),
    ...(operation.body ?? []).filter(({ name, required }) => required && input.body?.[name] === undefined),
  ]
  if (missing.length)
    throw new HdcsError('invalid', `${missing.map(({ name }) => name).join(', ')}: missing. ${usage(operation)}`)
  return input
}

/**
 * Names become ids: of the thing that the path is about, and in fields such as `clusterId`, where the API lists such things.
 * @param ask asks an operation by its name
 * @throws HdcsError `not_found`, with the names that would have been right
 */
export async function namesFound(
  operations: readonly Operation[],
  { path }: Operation,
  input: CallInput,
  ask: (operationId: string, query: Record<string, string>) => Promise<unknown>,
): Promise<void> {
  for (const values of [input.params, input.query, input.body ?? {}])
    for (const [key, text] of Object.entries(values)) {
      const noun = key === 'id' ? path.split('/{id}')[0]?.replace(/^.*\/(.+)s$/, '$1') : /^(.+)Id$/.exec(key)?.[1]
      const list = operations.find(one => one.method === 'GET' && one.path === `/api/v1/${noun}s`)
      if (typeof text !== 'string' || isId(text) || noun === undefined || !list) continue
      const filters = list.query.some(({ name }) => name === 'name')
      const found = await find(
        noun,
        text,
        async id => ({ id, name: text }),
        async query => (await ask(list.id, filters && query.name ? { name: query.name } : {})) as { items: Named[] },
      )
      values[key] = found.id
    }
}

const within = (schema: Schema, path: readonly string[]): Schema =>
  path.reduce<Schema>((one, name) => one.properties?.[name] ?? {}, schema)

/** Text stays text where the document says text; elsewhere what reads as JSON is JSON. */
function typed(word: string, value: string, schema: Schema): unknown {
  const kinds = [schema.type ?? []].flat()
  if (kinds.includes('null') && value === 'null') return null
  if (kinds.includes('string') || schema.enum) return value
  if (kinds.includes('array') && !value.startsWith('[')) return value === '' ? [] : value.split(',')
  if (kinds.length > 0) return parsed(word, value)
  try {
    return JSON.parse(value)
  } catch {
    return value // no type is told and it is no JSON: it is text
  }
}

function parsed(word: string, value: string): unknown {
  try {
    return JSON.parse(value)
  } catch (cause) {
    throw new HdcsError('invalid', `${word}: this is not the kind of value it takes`, { cause })
  }
}

function put(into: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (['__proto__', 'constructor', 'prototype'].includes(name)) throw new HdcsError('invalid', `${name} is no field`)
  if (rest.length === 0) into[name] = value
  else {
    into[name] ??= {}
    put(into[name] as Record<string, unknown>, rest, value)
  }
}

export function usage(operation: Operation): string {
  const shown = ({ name, required }: Field) => (required ? `${name}=…` : `[${name}=…]`)
  return [
    `hdcs call ${operation.id}`,
    ...[...operation.params, ...operation.query, ...(operation.body ?? [])].map(shown),
  ].join(' ')
}

export function operationTable(operations: readonly Operation[], width: number): string {
  const columns: Column<Operation>[] = [
    { title: 'OPERATION', value: operation => operation.id },
    { title: 'WHAT IT DOES', value: operation => operation.summary },
    { title: 'REQUEST', value: operation => `${operation.method} ${operation.path}` },
  ]
  return table(operations, columns, width)
}
