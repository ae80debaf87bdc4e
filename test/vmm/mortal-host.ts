/** A host whose agent is killed at one call of it: nothing that agent asks is answered from then on. */
import type { Host } from '../../vmm/host.ts'
import type { SimHost } from '../../vmm/sim-host.ts'

/** Before the call reached the host, or before it was answered. */
export const moments = ['before', 'after'] as const
export type Moment = (typeof moments)[number]

interface MortalHost {
  /** Whether the agent dies at this call. */
  isLast(moment: Moment): boolean
  called(): void
  died(): void
}

const never = () => new Promise<never>(() => {})

export function mortalHost(host: SimHost, { isLast, called, died }: MortalHost): Host {
  let dead = false
  const die = () => {
    dead = true
    died()
    return never()
  }
  return new Proxy(host, {
    get(target, name) {
      const found = Reflect.get(target, name) as unknown
      if (typeof found !== 'function' || name === 'events' || name === Symbol.asyncDispose) return found
      return async (...given: unknown[]) => {
        if (dead) return never()
        called()
        if (isLast('before')) return die()
        const last = isLast('after')
        try {
          return await (found as (...given: unknown[]) => Promise<unknown>).apply(target, given)
        } finally {
          if (last) await die()
          if (dead) await never()
        }
      }
    },
  })
}
