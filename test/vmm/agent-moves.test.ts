import { afterEach, describe, expect, it, vi } from 'vitest'
import { type MoveSiteOptions, makeMoveSite } from './move-site.ts'
import { sides } from './mover.ts'
import { machineSpec } from './wishes.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})
async function siteOf(options: MoveSiteOptions = {}) {
  const site = await makeMoveSite(options)
  open.push(site)
  return site
}

describe('a move', () => {
  it('live brings the running guest over: it answers there without having been started, and its source keeps no domain', async () => {
    const site = await siteOf()
    const content = site.content('source')
    site.move()
    expect(await site.end()).toBe('done')
    expect(await site.runs()).toEqual(['target'])
    expect(site.content('target')).toBe(content)
    const report = await site.controls.target.machine(site.base.id, ({ ready, move }) => ready && move === null)
    expect(report).toMatchObject({ power: 'running', incarnation: 1, trouble: null })
  })

  it('live lets nobody in at its new host until a person is admitted there', async () => {
    const site = await siteOf()
    site.move()
    await site.end()
    const graphics = { serial: 4, password: 'x', validUntil: new Date(Date.now() + 60_000).toISOString() }
    site.change({ graphics })
    await site.controls.target.machine(site.base.id, report => report.graphics?.serial === 4)
  })

  it('tells its progress on the way', async () => {
    const site = await siteOf({ machine: { name: 'slow-move-1' }, host: { delays: { moveMs: 4 } } })
    site.move()
    expect(await site.end()).toBe('done')
    const percents = site.told('source').map(({ progress }) => progress)
    expect(new Set(percents).size).toBeGreaterThan(2)
    expect(percents.toSorted((a, b) => a - b)).toEqual(percents)
  })

  it('with its storage takes the disk along, and what stood there from an earlier time is not used', async () => {
    const site = await siteOf({ kind: 'storage' })
    const { id, incarnation, imageId } = site.base
    await vi.waitFor(async () => expect(await site.hosts.target.images()).toHaveLength(1))
    const stale = { machineId: id, incarnation, imageId, content: 'of an earlier visit', moveId: null }
    site.storages.target.overlays.set(`${id}.${incarnation}`, stale)
    const content = site.content('source')
    site.move()
    expect(await site.end()).toBe('done')
    expect(await site.runs()).toEqual(['target'])
    expect(site.content('target')).toBe(content)
    // Its source tells the rest as a stray, and is told to remove it.
    await vi.waitFor(async () => expect(await site.hosts.source.overlays()).toEqual([]))
  })

  it.each([true, false])(
    'of a stopped machine brings its disk over (one storage: %s), and it starts there as it was',
    async shared => {
      const site = await siteOf({ kind: 'offline', shared, machine: { power: 'stopped' } })
      const content = site.content('source')
      site.move()
      expect(await site.end()).toBe('done')
      expect(site.content('target')).toBe(content)
      site.change({ power: 'running' })
      await site.controls.target.machine(site.base.id, report => report.ready)
      expect(await site.runs()).toEqual(['target'])
    },
  )

  it('offline shuts a running guest down first', async () => {
    const site = await siteOf({ kind: 'offline', shared: true, machine: { stopGraceMs: 5_000 } })
    site.move()
    expect(await site.end()).toBe('done')
    await site.controls.target.machine(site.base.id, report => report.ready)
    expect(await site.runs()).toEqual(['target'])
  })

  it('that breaks off leaves the guest where it was, running, and says why', async () => {
    const site = await siteOf({ machine: { name: 'fail-move-1' } })
    site.move()
    await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'failed')
    expect(site.ended).toBe('failed')
    expect(await site.runs()).toEqual(['source'])
    expect(site.told('source').at(-1)?.trouble).toMatchObject({
      code: 'internal',
      text: expect.stringMatching(/broke off/),
    })
    expect(site.controls.source.machines.get(site.base.id)).toMatchObject({ ready: true, trouble: null })
  })

  it('of a guest that changes its memory too fast ends cleanly, and says so', async () => {
    const site = await siteOf({ machine: { name: 'dirty-1' } })
    site.move()
    const report = await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'failed')
    expect(report.move?.trouble).toMatchObject({ code: 'timeout', text: expect.stringMatching(/does not converge/) })
    expect(await site.runs()).toEqual(['source'])
  })

  it('can be cancelled on the way: the guest stays, and works on', async () => {
    const site = await siteOf({ machine: { name: 'slow-move-1' }, host: { delays: { moveMs: 200 } } })
    site.move()
    await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'moving' && move.progress > 0)
    site.cancel()
    expect(await site.end()).toBe('cancelled')
    expect(await site.runs()).toEqual(['source'])
  })

  it('ends when its machine is switched off meanwhile', async () => {
    const site = await siteOf({ machine: { name: 'slow-move-1' }, host: { delays: { moveMs: 200 } } })
    site.move()
    await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'moving' && move.progress > 0)
    site.change({ power: 'stopped' })
    expect(await site.end()).toBe('failed')
    await site.controls.source.machine(site.base.id, ({ power }) => power === 'stopped')
    expect(await site.runs()).toEqual([])
  })

  it('of a guest that crashes on the way ends, and the guest is started again at home', async () => {
    const site = await siteOf({ machine: { name: 'slow-move-1' }, host: { delays: { moveMs: 100 } } })
    site.move()
    await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'moving' && move.progress > 0)
    site.hosts.source.guestCrash(site.base.id)
    expect(await site.end()).toBe('failed')
    await site.controls.source.machine(site.base.id, ({ ready }) => ready)
    expect(await site.runs()).toEqual(['source'])
  })

  it('goes on while the agents are away, and is found again', async () => {
    const site = await siteOf({ machine: { name: 'slow-move-1' }, host: { delays: { moveMs: 40 } } })
    site.move()
    await site.controls.source.machine(site.base.id, ({ move }) => move?.state === 'moving' && move.progress > 0)
    for (const side of sides) await site.kill(side)
    for (const side of sides) await site.start(side)
    expect(await site.end()).toBe('done')
    expect(await site.runs()).toEqual(['target'])
  })
})

describe('one disk', () => {
  it('is never open on two hosts: the second start is refused until the first copy ended', async () => {
    const site = await siteOf()
    const { source, target } = site.hosts
    await expect(target.machineStart(site.base)).rejects.toMatchObject({ code: 'disk_in_use' })
    await source.machineDestroy(site.base.id)
    await target.machineStart(site.base)
    await target.machineDestroy(site.base.id)
  })

  it('is free while its guest is paused, which then cannot go on', async () => {
    const site = await siteOf({ machine: { power: 'stopped' } })
    const spec = machineSpec(2)
    const { source, target } = site.hosts
    await source.overlayMake(spec)
    await source.machineStart(spec)
    await source.machinePause(spec.id)
    await target.machineStart(spec)
    await expect(source.machineResume(spec.id)).rejects.toMatchObject({ code: 'disk_in_use' })
  })
})
