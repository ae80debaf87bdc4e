import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { openSimStorage } from '../../vmm/sim-file.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { testFolder } from '../support/folder.ts'
import { makeControl } from './control.ts'
import { hostSpec, imageSpec, installationId, machineSpec } from './wishes.ts'

const log = makeLog('agent', 'silent')
const fresh = () => join(testFolder(), 'simulated.json')
type Write = (file: string, text: string) => Promise<void>

async function openHost(file: string, write?: Write) {
  const storage = await openSimStorage(file, installationId, write)
  return makeSimHost({ installationId, hostName: 'sim', cpus: 4, storage })
}
const makeImage = (host: Awaited<ReturnType<typeof openHost>>) =>
  host.imageMake(imageSpec(), () => {}, new AbortController().signal)

describe('a simulated host on a file', () => {
  it('that was killed finds its images and disks again, on the same storage; machines and locks are gone', async () => {
    const file = fresh()
    const killed = await openHost(file)
    const image = await makeImage(killed)
    const [spec, removed] = [machineSpec(1), machineSpec(2)]
    for (const machine of [spec, removed]) await killed.overlayMake(machine)
    await killed.overlayRemove({ machineId: removed.id, incarnation: 1 })
    await killed.machineStart(spec)
    const { storageId } = await killed.facts()
    const [first] = (await openSimStorage(file, installationId)).overlays.values()
    // Half written as it was killed.
    writeFileSync(`${file}.part`, '{')

    await using host = await openHost(file)
    expect((await host.facts()).storageId).toBe(storageId)
    expect(await host.images()).toEqual([image])
    expect(await host.overlays()).toEqual([{ machineId: spec.id, incarnation: 1 }])
    expect(await host.machines()).toEqual([])
    expect(await host.machineStart(spec)).toMatchObject({ power: 'running' })
    await host.overlayMake(removed)
    expect([...(await openSimStorage(file, installationId)).overlays.values()][0]).toEqual(first)
    await killed[Symbol.asyncDispose]()
  })

  it('keeps volumes, those of a pool on the network too', async () => {
    const file = fresh()
    const wish = { name: 'data', format: 'raw' as const, sizeBytes: 2 ** 30, made: false, gone: false }
    const rbd = { type: 'rbd' as const, monitors: ['10.0.0.9'], pool: 'desktops', user: null }
    for (const source of [rbd, { type: 'dir' as const }]) {
      await using host = await openHost(file)
      const target = source.type === 'dir' ? '/srv/data' : null
      const id = crypto.randomUUID()
      const pool = { id, name: 'data', source, target, secret: null, reserve: 0, refresh: 1, gone: false }
      await host.storagePoolEnsure(pool)
      const volume = { ...wish, id: crypto.randomUUID(), poolId: pool.id }
      const made = await host.volumeEnsure(volume, null)
      expect((await openSimStorage(file, installationId)).volumes.get(pool.id)?.get(volume.id)).toEqual(made)
      await host.volumeRemove(volume)
      expect((await openSimStorage(file, installationId)).volumes.get(pool.id)?.get(volume.id)).toBeUndefined()
    }
  })

  it('brings back every desktop that its control plane wishes, made or not', async () => {
    const file = fresh()
    const specs = [1, 2, 3, 4].map(number => machineSpec(number))
    for (const diskMade of [false, true]) {
      await using host = await openHost(file)
      const control = makeControl()
      await using _agent = await startAgent({ host, connect: control.connect, log })
      control.tell({ type: 'wish', spec: hostSpec(specs.map(spec => ({ ...spec, diskMade }))) })
      for (const { id } of specs)
        expect(await control.machine(id, ({ ready, trouble }) => ready || trouble !== null)).toMatchObject({
          ready: true,
          trouble: null,
        })
    }
  })

  it('keeps what it answered: a thousand disks made at once with a handful of writes', async () => {
    const file = fresh()
    let writes = 0
    await using host = await openHost(file, async (path, text) => {
      writes++
      await new Promise(resolve => setImmediate(resolve))
      writeFileSync(path, text)
    })
    await makeImage(host)
    writes = 0
    const specs = Array.from({ length: 1_000 }, (_, number) => machineSpec(number))
    await Promise.all(specs.map(spec => host.overlayMake(spec)))
    expect(writes).toBeLessThan(20)
    expect((await openSimStorage(file, installationId)).overlays.size).toBe(1_000)
    writes = 0
    await host[Symbol.asyncDispose]()
    expect(writes).toBe(0)
  })

  it('says that it cannot write, and keeps it with the next write, at its end at the latest', async () => {
    const file = fresh()
    let full = false
    const write: Write = async (path, text) => {
      if (full) throw new Error('ENOSPC')
      writeFileSync(path, text)
    }
    const host = await openHost(file, write)
    await makeImage(host)
    full = true
    await expect(host.overlayMake(machineSpec(1))).rejects.toThrow('ENOSPC')
    expect((await openSimStorage(file, installationId)).overlays.size).toBe(0)
    full = false
    await host[Symbol.asyncDispose]()
    expect((await openSimStorage(file, installationId)).overlays.size).toBe(1)
    const nowhere = join(testFolder(), 'none', 'simulated.json')
    const refused = { code: 'internal', message: expect.stringContaining(nowhere) }
    await expect(openSimStorage(nowhere, installationId)).rejects.toMatchObject(refused)
  })

  it.each<[string, (whole: string) => string]>([
    ['empty', () => ''],
    ['cut', whole => whole.slice(0, -10)],
    ['of another version', whole => whole.replace('"format":1', '"format":2')],
    ['with more in it than we know', whole => whole.replace('{', '{"snapshots":[],')],
  ])('refuses a file that is %s, says what to do and leaves it as it is', async (_what, broken) => {
    const file = fresh()
    await makeImage(await openHost(file))
    const text = broken(readFileSync(file, 'utf8'))
    writeFileSync(file, text)
    const refused = { code: 'invalid', message: expect.stringMatching(`${file} is broken .* move it away`) }
    await expect(openHost(file)).rejects.toMatchObject(refused)
    expect(readFileSync(file, 'utf8')).toBe(text)
    renameSync(file, `${file}.away`)
    expect(await (await openHost(file)).images()).toEqual([])
  })

  it('refuses the file of another installation', async () => {
    const file = fresh()
    await openSimStorage(file, 'another')
    await expect(openHost(file)).rejects.toMatchObject({ code: 'conflict' })
  })
})
