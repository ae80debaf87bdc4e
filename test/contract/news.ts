import type { Host, HostEvent } from '../../vmm/host.ts'

/** An emulated guest boots in 5 s on a quiet machine. */
const newsMs = 90_000

/** Collects a host's events and waits for one. */
export function listen(host: Host) {
  const heard: HostEvent[] = []
  const looks = new Set<() => void>()
  void (async () => {
    for await (const event of host.events()) {
      heard.push(event)
      for (const look of looks) look()
    }
  })()
  return {
    heard,
    event: (is: (event: HostEvent) => boolean) =>
      new Promise<HostEvent>((resolve, reject) => {
        const look = () => {
          const at = heard.findIndex(is)
          const [event] = at < 0 ? [] : heard.splice(0, at + 1).slice(-1)
          if (!event) return
          end()
          resolve(event)
        }
        // The next case must not lose its news to one that gave up.
        const giveUp = setTimeout(() => {
          end()
          reject(new Error(`not told within ${newsMs / 1000} s; heard: ${JSON.stringify(heard)}`))
        }, newsMs)
        const end = () => {
          clearTimeout(giveUp)
          looks.delete(look)
        }
        looks.add(look)
        look()
      }),
  }
}
