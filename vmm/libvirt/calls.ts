/** The typed functions of a libvirt connection: one for each row of the table in protocol.ts. */
import type { ValueOf, Written } from './codec.ts'
import { type ProcedureName, procedures } from './protocol.ts'
import type { LibvirtStream } from './streams.ts'

export interface CallOptions {
  /**
   * From the call to its answer, waiting for a free place included; the client's own when left out. Past it the call
   * fails with `timeout`, libvirt may still do what was asked, and a late answer is dropped.
   */
  timeoutMs?: number
  /** Calls of one lane wait for each other in the queue; lanes take turns, so a long one holds nobody else up. */
  lane?: string
}

type Table = typeof procedures
export type Arguments<N extends ProcedureName> = Written<Table[N]['arguments']>
type Result<N extends ProcedureName> = ValueOf<Table[N]['result']>
export type Answer<N extends ProcedureName> = Table[N]['stream'] extends 'none'
  ? Result<N>
  : LibvirtStream & { result: Result<N> }

type Call<N extends ProcedureName> =
  Record<string, never> extends Arguments<N>
    ? (given?: Arguments<N>, options?: CallOptions) => Promise<Answer<N>>
    : (given: Arguments<N>, options?: CallOptions) => Promise<Answer<N>>

/**
 * `client.domainCreateXml({ xml })`, `client.connectGetHostname()`. `flags` and nullable arguments may be left out.
 *
 * Errors (HdcsError): as errors.ts maps libvirt's codes, with a LibvirtError as cause; `timeout`; `unreachable` when the
 * connection is or gets lost (what was asked may have been done); `protocol` when the answer is malformed.
 */
export type LibvirtCalls = { readonly [N in ProcedureName]: Call<N> }

/** @param call does one call of any procedure. */
export function makeCalls(
  call: (name: ProcedureName, given: Record<string, unknown>, options: CallOptions) => Promise<unknown>,
): LibvirtCalls {
  const entry = (name: ProcedureName) => [
    name,
    (given: Record<string, unknown> = {}, options: CallOptions = {}) => call(name, given, options),
  ]
  return Object.fromEntries((Object.keys(procedures) as ProcedureName[]).map(entry)) as LibvirtCalls
}
