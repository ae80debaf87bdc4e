/**
 * The typed client of the API, for pages, the command line and tests. Its functions are typed from the route values
 * themselves (types only: nothing of the server is loaded) and called by the generated table. Browser-safe.
 */
import type { z } from '@hono/zod-openapi'
import { ApiError, apiErrorOf, unanswered } from './client-error.ts'
import { type EventFilter, type LiveEvent, liveEvents } from './client-events.ts'
import {
  type ExportAsk,
  exportAddress,
  fetchExport,
  fetchScreenshot,
  inspectedBytes,
  inspectFile,
  type Screenshot,
} from './client-files.ts'
import { sendFile, type Upload } from './client-upload.ts'
import { operations } from './operations.gen.ts'
import type { routes } from './routes.ts'

export { ApiError, exportAddress, inspectedBytes, type LiveEvent, type Upload }

type Operation = (typeof routes)[number]
export type OperationId = Operation['operationId']
type Named<Id extends OperationId> = Extract<Operation, { operationId: Id }>
type Input<S> = S extends z.ZodType ? z.input<S> : never
type Given<S> = Exclude<S, undefined>

/** What stands in an address is text there: numbers and yes/no may be given as such. */
type Loose<T> = { [K in keyof T]: T[K] | number | boolean }
/** A part of a request; it may be left out when nothing in it must be given. */
type Part<Name extends string, T> = [T] extends [never]
  ? unknown
  : Record<string, never> extends T
    ? { [K in Name]?: T | undefined }
    : { [K in Name]: T }

export type Ask<Id extends OperationId> = Part<'params', Loose<Input<Given<Named<Id>['params']>>>> &
  Part<'query', Loose<Input<Given<Named<Id>['query']>>>> &
  Part<'body', Input<Given<Named<Id>['body']>>> & {
    signal?: AbortSignal | undefined
    /** Makes it safe to send the same request again when no answer came. */
    idempotencyKey?: string | undefined
  }

type Answers<Id extends OperationId> = Named<Id>['answers']
type Output<S> = S extends z.ZodType ? z.output<S> : undefined
export type Answer<Id extends OperationId> = Output<Answers<Id>[keyof Answers<Id>]>

type Calls = {
  [Id in OperationId]: Record<string, never> extends Ask<Id>
    ? (ask?: Ask<Id>) => Promise<Answer<Id>>
    : (ask: Ask<Id>) => Promise<Answer<Id>>
}

export type Client = Calls & {
  /** What changed, as it happens; comes back by itself after a break, without a gap. Ends with the signal. */
  events(filter?: EventFilter): AsyncIterable<LiveEvent>
  /** Sends the file of a template version. */
  upload(upload: Upload): Promise<Answer<'versionUpload'>>
  /** What a file says of itself, by its first `inspectedBytes`. */
  inspect(head: Blob): Promise<Answer<'templateFileInspect'>>
  /** A version's file from a byte on. */
  download(ask: ExportAsk & { fromByte: number; sha256: string }): Promise<ReadableStream<Uint8Array>>
  /** What a machine's screen shows. */
  screenshot(id: string, signal?: AbortSignal): Promise<Screenshot>
}

export interface ClientSettings {
  /** `https://desk.example`; '' in a page: its own origin. */
  baseUrl: string
  /** Without one the browser's cookie speaks. */
  token?: string
  fetch?: typeof fetch
}

/** How requests are sent, for the parts of the client. */
export interface Sender {
  baseUrl: string
  headers(write: boolean): Record<string, string>
  fetch: typeof fetch
}

interface LooseAsk {
  params?: Record<string, unknown>
  query?: Record<string, unknown>
  body?: unknown
  signal?: AbortSignal
  idempotencyKey?: string
}

export function makeClient(settings: ClientSettings): Client {
  const sender: Sender = {
    baseUrl: settings.baseUrl.replace(/\/$/, ''),
    // With the cookie a write must show that it comes from a page of ours: see guard.ts.
    headers: write =>
      settings.token === undefined
        ? write
          ? { 'x-hdcs-csrf': '1' }
          : {}
        : { authorization: `Bearer ${settings.token}` },
    fetch: settings.fetch ?? ((input, init) => fetch(input, init)),
  }
  const calls = Object.fromEntries(
    Object.entries(operations).map(([id, [method, path]]) => [
      id,
      (ask?: LooseAsk) => send(sender, method, path, ask ?? {}),
    ]),
  )
  const more = {
    events: (filter: EventFilter = {}) => liveEvents(sender, filter),
    upload: (upload: Upload) => sendFile(sender, upload),
    inspect: (head: Blob) => inspectFile(sender, head),
    download: (ask: ExportAsk & { fromByte: number; sha256: string }) => fetchExport(sender, ask),
    screenshot: (id: string, signal?: AbortSignal) => fetchScreenshot(sender, id, signal),
  }
  // The table has exactly the operations of the routes: test/api/every-route.test.ts compares them.
  return { ...calls, ...more } as unknown as Client
}

/** @throws ApiError whatever went wrong, also when no answer came (`unreachable`). */
async function send(sender: Sender, method: string, path: string, ask: LooseAsk): Promise<unknown> {
  const write = method !== 'get'
  const response = await sender
    .fetch(addressOf(sender.baseUrl, path, ask), {
      method: method.toUpperCase(),
      headers: {
        ...sender.headers(write),
        ...(ask.body !== undefined && { 'content-type': 'application/json' }),
        ...(ask.idempotencyKey !== undefined && { 'idempotency-key': ask.idempotencyKey }),
      },
      ...(ask.body !== undefined && { body: JSON.stringify(ask.body) }),
      ...(ask.signal && { signal: ask.signal }),
      credentials: 'same-origin',
    })
    .catch(unanswered(ask.signal))
  if (!response.ok) throw await apiErrorOf(response)
  if (response.status === 204) return undefined
  const json = (response.headers.get('content-type') ?? '').startsWith('application/json')
  return json ? response.json() : response.text()
}

/** Puts parameters into a path and a query behind it; what is undefined is left out. */
export function addressOf(baseUrl: string, path: string, ask: Pick<LooseAsk, 'params' | 'query'>): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(ask.params?.[name] ?? '')))
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(ask.query ?? {})) {
    if (value !== undefined && value !== null) query.set(name, String(value))
  }
  return `${baseUrl}${filled}${query.size > 0 ? `?${query}` : ''}`
}
