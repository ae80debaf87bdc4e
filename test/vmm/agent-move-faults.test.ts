/** The agents of a move, killed at every call they make of their hosts: before it reached the host, and before it was answered. */
import { describe, expect, it, vi } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import type { SimHost } from '../../vmm/sim-host.ts'
import { type Moment, moments, mortalHost } from './mortal-host.ts'
import { type MoveSiteOptions, makeMoveSite } from './move-site.ts'
import { type Side, sides } from './mover.ts'

interface Fault {
  side: Side
  /** The how manyeth call since the move was wished. */
  call: number
  when: Moment
}

/** @returns how many calls each side made from the wish to the end. */
async function moveWith(options: MoveSiteOptions, fault: Fault | null): Promise<Record<Side, number>> {
  const calls: Record<Side, number> = { source: 0, target: 0 }
  let counting = false
  let done = false
  let reborn: Promise<void> | null = null
  const between = (side: Side, host: SimHost): Host => {
    if (done) return host
    const here = (when: Moment) =>
      counting && !done && fault?.side === side && fault.when === when && calls[side] === fault.call
    const died = () => {
      done = true
      // The next agent is there at once; the dead one says and does nothing any more.
      reborn = site.reborn(side)
    }
    return mortalHost(host, { isLast: here, called: () => void (counting && calls[side]++), died })
  }
  const site = await makeMoveSite({ ...options, between })
  await using _site = site
  await Promise.all(sides.map(side => vi.waitFor(() => expect(site.controls[side].images.size).toBe(1))))
  const content = site.content('source')
  counting = true
  site.move()
  const ended = await site.end()
  counting = false
  await (reborn ?? null)
  const home = ended === 'done' ? 'target' : 'source'
  await site.controls[home].machine(
    site.base.id,
    ({ ready, power, move }) => move === null && (site.base.power === 'stopped' ? power === 'stopped' : ready),
  )
  await vi.waitFor(async () => {
    expect(await site.runs()).toEqual(site.base.power === 'stopped' ? [] : [home])
    const other = home === 'source' ? 'target' : 'source'
    if (site.storages.source !== site.storages.target) expect(await site.hosts[other].overlays()).toEqual([])
    expect(await site.hosts[home].overlays()).toHaveLength(1)
  }, 10_000)
  expect(site.content(home)).toBe(content)
  return calls
}

const delays = { imageMs: 2, overlayMs: 1, startMs: 1, bootMs: 2, shutdownMs: 1, moveMs: 5 }

describe.each<[string, MoveSiteOptions]>([
  ['live', { kind: 'live' }],
  ['with its storage', { kind: 'storage' }],
  ['stopped, to another storage', { kind: 'offline', shared: false, machine: { power: 'stopped' } }],
  ['stopped, on one storage', { kind: 'offline', shared: true, machine: { power: 'stopped' } }],
])('a move %s', (_title, kind) => {
  const options = { ...kind, host: { delays } }

  it('ends with one guest on one disk, wherever an agent is killed', async () => {
    const calls = await moveWith(options, null)
    expect(calls.source + calls.target).toBeGreaterThan(0)
    for (const side of sides) {
      for (let call = 1; call <= calls[side]; call++)
        for (const when of moments)
          await moveWith(options, { side, call, when }).catch(error => {
            throw new Error(`killed ${when} call ${call} of the ${side}`, { cause: error })
          })
    }
  }, 120_000)
})
