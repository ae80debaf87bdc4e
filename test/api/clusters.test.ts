import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Client } from '../../api/client.ts'
import { hostOfKey } from '../../broker/agents.ts'
import { firstStart } from '../../broker/first-start.ts'
import { hostJoin } from '../../broker/hosts.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { refusal } from '../support/refusal.ts'
import { startSite } from '../support/site.ts'

let api: TestApi
let root: Client
let mainId: string
beforeAll(async () => {
  api = await startApi()
  root = (await api.person('root', ['infrastructureAdministrator'])).client
  mainId = (await firstStart(api.broker)).clusterId
})
afterAll(() => api[Symbol.asyncDispose]())

/** As whoever holds the machine puts one there. */
function commandPut(name: string, mode = 0o755) {
  const file = join(api.broker.commandsFolder, name)
  writeFileSync(file, '#!/bin/sh\n')
  chmodSync(file, mode)
}

const siteMake = (name: string) => root.siteCreate({ body: { name } })

describe('sites', () => {
  it('begin with the site main, and stand beside it with names of their own', async () => {
    const site = await siteMake('north')
    expect(site).toMatchObject({ name: 'north', clusters: 0, hosts: 0 })
    expect((await root.siteList({})).items.map(({ name }) => name)).toEqual(['main', 'north'])
    expect(await refusal(siteMake('north'))).toMatchObject({ status: 409, code: 'conflict' })
    expect((await root.siteUpdate({ params: { id: site.id }, body: { name: 'south' } })).name).toBe('south')
    const taken = root.siteUpdate({ params: { id: site.id }, body: { name: 'main' } })
    expect(await refusal(taken)).toMatchObject({ code: 'conflict' })
  })

  it('go only when they are empty, and say why not before one asks', async () => {
    const site = await siteMake('depot')
    const cluster = await root.clusterCreate({ body: { name: 'depot', siteId: site.id } })
    const { actions } = await root.siteGet({ params: { id: site.id } })
    expect(actions).toContainEqual({ name: 'delete', allowed: false, reason: 'a cluster is in it' })
    expect(await refusal(root.siteDelete({ params: { id: site.id } }))).toMatchObject({ code: 'conflict' })
    await root.clusterDelete({ params: { id: cluster.id } })
    await root.siteDelete({ params: { id: site.id } })
    expect(await refusal(root.siteGet({ params: { id: site.id } }))).toMatchObject({ code: 'not_found' })
  })

  it('are not made again under their first name when an administrator gave them another', async () => {
    await root.clusterUpdate({ params: { id: mainId }, body: { name: 'renamed' } })
    expect(await firstStart(api.broker)).toEqual({ clusterId: mainId })
    expect((await root.clusterList({ query: { name: 'main' } })).items).toEqual([])
    await root.clusterUpdate({ params: { id: mainId }, body: { name: 'main' } })
  })
})

describe('clusters', () => {
  it('get a network of their own without being asked for one, and usual rules', async () => {
    const cluster = await root.clusterCreate({ body: { name: 'usual' } })
    const main = await root.clusterGet({ params: { id: mainId } })
    expect(cluster).toMatchObject({
      siteName: 'main',
      placement: 'spread',
      portFrom: 16_000,
      portTo: 31_999,
      vcpusPerCore: null,
      suspectMs: 8_000,
      lostMs: 15_000,
      hosts: 0,
      resources: { vcpus: { total: 0, reserved: 0, used: 0, free: 0 } },
    })
    expect(cluster.supernet).not.toBe(main.supernet)
    expect(cluster.supernet).toMatch(/\/14$/)
  })

  it.each([
    ['a network that is too wide', { supernet: '10.0.0.0/8' }, 'invalid'],
    ['a network that is too narrow', { supernet: '10.9.0.0/25' }, 'invalid'],
    ['another cluster’s network', { supernet: '10.128.4.0/22' }, 'conflict'],
    ['ports in the wrong order', { portFrom: 20_000, portTo: 19_000 }, 'invalid'],
    ['libvirt’s own ports', { portFrom: 40_000, portTo: 50_000 }, 'invalid'],
    ['a host that is lost before it is suspect', { suspectMs: 20_000 }, 'invalid'],
    ['less silence than two beats', { suspectMs: 1_000 }, 'invalid'],
    ['a command that is no path', { fenceCommand: 'ipmitool power off' }, 'invalid'],
    ['a command that nobody put there for it', { powerCommand: '/bin/sh -c id' }, 'invalid'],
    ['a way out of the commands’ folder', { powerCommand: '/etc/hdcs/commands/../../../bin/sh' }, 'invalid'],
    ['a site that is not there', { siteId: '01980000-0000-7000-8000-000000000000' }, 'invalid'],
    ['a name that is taken', { name: 'main' }, 'conflict'],
  ] as const)('refuse %s', async (_, body, code) => {
    expect(await refusal(root.clusterCreate({ body: { name: 'refused', ...body } }))).toMatchObject({ code })
    expect((await root.clusterList({ query: { name: 'refused' } })).items).toEqual([])
  })

  it('refuse a network that overlaps another’s at its field', async () => {
    const refused = await refusal(root.clusterCreate({ body: { name: 'near', supernet: '10.128.4.0/22' } }))
    const message = expect.stringMatching(/^The network 10\.128\.4\.0\/22 touches .* of the cluster main/)
    expect(refused).toMatchObject({ detail: message, errors: [{ field: 'body.supernet', message }] })
  })

  it('refuse a number beyond its limits in words that say the limits', async () => {
    const refused = await refusal(root.clusterCreate({ body: { name: 'hasty', lostMs: 5, portFrom: 80 } }))
    expect(refused.detail).toMatch(/must be from 1024 to 65535|must be from 4000 to 3600000 milliseconds/)
    expect(JSON.stringify(refused)).not.toContain('Too small')
  })

  it('refuse a command that cannot be run, with what to do, and keep one that was there when it was saved', async () => {
    commandPut('asleep', 0o644)
    mkdirSync(join(api.broker.commandsFolder, 'folder'))
    symlinkSync('/nonexistent', join(api.broker.commandsFolder, 'nowhere'))
    for (const name of ['none', 'asleep', 'folder', 'nowhere'])
      for (const field of ['fenceCommand', 'powerCommand']) {
        const body = { name: 'unarmed', [field]: `/etc/hdcs/commands/${name} --now` }
        const refused = await refusal(root.clusterCreate({ body }))
        expect(refused).toMatchObject({ status: 400, code: 'invalid' })
        expect(refused.detail).toContain('make it executable')
      }
    commandPut('gone')
    const body = { name: 'armed', powerCommand: '/etc/hdcs/commands/gone --now' }
    const { id } = await root.clusterCreate({ body })
    chmodSync(join(api.broker.commandsFolder, 'gone'), 0o644)
    const params = { id }
    expect(await root.clusterUpdate({ params, body: { ...body, lostMs: 60_000 } })).toMatchObject({ lostMs: 60_000 })
    const other = { powerCommand: '/etc/hdcs/commands/gone --later' }
    expect((await refusal(root.clusterUpdate({ params, body: other }))).detail).toContain('may not be run')
  })

  it('change in what is given and in nothing else', async () => {
    commandPut('off')
    const { id } = await root.clusterCreate({
      body: { name: 'changing', vcpusPerCore: 3, fenceCommand: '/etc/hdcs/commands/off h' },
    })
    const changed = await root.clusterUpdate({ params: { id }, body: { lostMs: 60_000, vcpusPerCore: null } })
    expect(changed).toMatchObject({
      name: 'changing',
      lostMs: 60_000,
      vcpusPerCore: null,
      fenceCommand: '/etc/hdcs/commands/off h',
    })
  })

  it('keep of their balance what is not given, and refuse what is out of its limits', async () => {
    const { id } = await root.clusterCreate({ body: { name: 'even', balance: { rebalance: { maxMoves: 2 } } } })
    const params = { id }
    const changed = await root.clusterUpdate({ params, body: { balance: { rebalance: { enabled: true } } } })
    expect(changed.balance).toMatchObject({
      rebalance: { enabled: true, maxMoves: 2 },
      consolidate: { enabled: false },
    })
    const low = root.clusterUpdate({ params, body: { balance: { rebalance: { thresholdPercent: 10 } } } })
    expect(await refusal(low)).toMatchObject({ code: 'invalid' })
    expect(await root.clusterGet({ params })).toMatchObject({ balance: changed.balance })
  })

  it('show their commands, which hold passwords, to administrators only, and not to the audit trail', async () => {
    commandPut('ipmi')
    const { id } = await root.clusterCreate({
      body: { name: 'fenced', fenceCommand: '/etc/hdcs/commands/ipmi -P hunter2' },
    })
    const auditor = (await api.person('auditor', ['auditor'])).client
    expect(await auditor.clusterGet({ params: { id } })).toMatchObject({ fenceCommand: null })
    const { items } = await auditor.auditList({ query: { subjectId: id } })
    expect(items[0]).toMatchObject({ action: 'clusterCreate', outcome: 'ok', detail: { body: { name: 'fenced' } } })
    expect(JSON.stringify(items)).not.toContain('hunter2')
  })
})

describe('a cluster’s network', () => {
  it('gives its hosts other subnets when it changes', async () => {
    const { id } = await root.clusterCreate({ body: { name: 'moved' } })
    const { token } = await root.joinTokenMake({ body: { clusterId: id } })
    const { hostId, key } = await hostJoin(api.broker, { token, hostName: 'box', networks: ['192.168.9.0/24'] })
    const changed = await root.clusterUpdate({ params: { id }, body: { supernet: '172.20.3.0/20' } })
    expect(changed.supernet).toBe('172.20.0.0/20')
    expect((await root.hostGet({ params: { id: hostId } })).subnet).toBe('172.20.0.0/22')
    expect(await hostOfKey(api.broker, key)).toMatchObject({ subnet: '172.20.0.0/22', supernet: '172.20.0.0/20' })
  })

  it('never is one that a host is in itself', async () => {
    const { id } = await root.clusterCreate({ body: { name: 'near' } })
    const near = root.clusterUpdate({ params: { id }, body: { supernet: '192.168.0.0/16' } })
    expect((await refusal(near)).detail).toContain('the host box is in')
    await expect(near).rejects.toMatchObject({ errors: [{ field: 'body.supernet' }] })
  })

  it.each([
    '224.0.0.0/24',
    '127.0.0.0/24',
    '169.254.0.0/16',
    '0.0.0.0/9',
    '240.0.0.0/9',
    '255.255.255.0/24',
    '8.8.8.0/24',
    '172.0.0.0/11',
    '100.128.0.0/16',
  ])('is never %s: desktops get private addresses, and it says which there are', async supernet => {
    const ranges = 'take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10'
    const made = await refusal(root.clusterCreate({ body: { name: 'strange', supernet } }))
    expect(made).toMatchObject({ code: 'invalid', detail: expect.stringContaining(ranges) })
    const changed = await refusal(root.clusterUpdate({ params: { id: mainId }, body: { supernet } }))
    expect(changed).toMatchObject({ code: 'invalid', detail: expect.stringContaining(ranges) })
    expect((await root.clusterGet({ params: { id: mainId } })).supernet).toBe('10.128.0.0/14')
  })

  it('may be one that providers give behind their own translation', async () => {
    const { supernet } = await root.clusterCreate({ body: { name: 'shared', supernet: '100.100.0.0/16' } })
    expect(supernet).toBe('100.100.0.0/16')
  })

  it('stays while desktops have addresses of it', async () => {
    await using site = await startSite()
    await using busy = await startApi({ broker: site.broker })
    const { client } = await busy.person('root', ['infrastructureAdministrator'])
    const desktop = await site.until('a desktop', async () => (await client.desktopList({ query: {} })).items[0])
    const [cluster] = (await client.clusterList({})).items
    const params = { id: cluster?.id ?? '' }
    const refused = await refusal(client.clusterUpdate({ params, body: { supernet: '172.16.0.0/14' } }))
    expect(refused).toMatchObject({ code: 'conflict' })
    expect(await client.clusterGet({ params })).toMatchObject({ supernet: '10.128.0.0/14' })
    expect(desktop.address).toMatch(/^10\.128\./)
  })
})

describe('a cluster’s range of screen ports', () => {
  it('is refused, with numbers, when none would be left on a host, and moves freely otherwise', async () => {
    await using site = await startSite()
    await using busy = await startApi({ broker: site.broker })
    const { client } = await busy.person('root', ['infrastructureAdministrator'])
    await site.until('its desktops', async () => (await client.poolList({})).items[0]?.counts.ready === 2)
    const [cluster] = (await client.clusterList({})).items
    const params = { id: cluster?.id ?? '' }
    const { taken } = await site.broker.db
      .selectFrom('screen_port')
      .select(count => count.fn.countAll<number>().as('taken'))
      .executeTakeFirstOrThrow()
    const tooFew = client.clusterUpdate({ params, body: { portTo: 16_000 + taken - 1 } })
    const refused = await refusal(tooFew)
    expect(refused).toMatchObject({ status: 409, code: 'conflict' })
    expect(refused.detail).toContain(`are ${taken}, and ${taken} are in use on `)
    expect(await client.clusterGet({ params })).toMatchObject({ portFrom: 16_000, portTo: 31_999 })
    const enough = { portFrom: 20_000, portTo: 20_000 + taken }
    expect(await client.clusterUpdate({ params, body: enough })).toMatchObject(enough)
    const wider = { portTo: 20_000 + taken + 1 }
    expect(await client.clusterUpdate({ params, body: wider })).toMatchObject(wider)
  })
})
