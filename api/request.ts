/** What a request says about where it comes from. */
import type { Context } from 'hono'

export interface Front {
  /** How browsers reach us, e.g. `https://desk.example`; null: what each request says. */
  publicUrl: string | null
  /** A proxy of ours stands before us and sets `X-Forwarded-For`, `-Proto` and `-Host`; else anybody could. */
  trustProxy: boolean
}

export interface Source {
  /** `http://host:port` as the client sees us. */
  origin: string
  clientAddress: string
}

/** Node's server puts its own request here; an app called without a port has none. */
interface NodeBindings {
  incoming?: { socket?: { remoteAddress?: string; encrypted?: boolean } }
}

export function sourceOf(context: Context, front: Front): Source {
  const bindings: NodeBindings = context.env ?? {}
  const socket = bindings.incoming?.socket
  const forwarded = (name: string) => (front.trustProxy ? lastOf(context.req.header(`x-forwarded-${name}`)) : undefined)
  const scheme = forwarded('proto') ?? (socket?.encrypted ? 'https' : 'http')
  const host = forwarded('host') ?? context.req.header('host') ?? new URL(context.req.url).host
  return {
    origin: front.publicUrl ?? `${scheme}://${host}`,
    clientAddress: (forwarded('for') ?? socket?.remoteAddress ?? 'local').replace(/^::ffff:(?=\d+\.)/, ''),
  }
}

/** The last entry is the one our own proxy added; those before it are the client's claim. */
function lastOf(list: string | undefined): string | undefined {
  return list?.split(',').at(-1)?.trim() || undefined
}
