import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { answerMedium } from '../../vmm/answer-medium.ts'
import type { Host } from '../../vmm/host.ts'
import type { MachineSpec, MachineVolume, StoragePoolSpec, VolumeSpec } from '../../vmm/spec.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const MiB = 2 ** 20

export const poolSpec = (target: string, own: Partial<StoragePoolSpec> = {}): StoragePoolSpec => ({
  id: crypto.randomUUID(),
  name: 'contract',
  source: { type: 'dir' },
  target,
  secret: null,
  reserve: 0,
  refresh: 1,
  gone: false,
  ...own,
})

/** What every host promises of storage pools and volumes; its machine runs, and answers. */
export function volumeCases(
  now: () => { host: Host; again(): Promise<Host>; pool: StoragePoolSpec; spec: MachineSpec },
) {
  const volume: VolumeSpec = {
    id: crypto.randomUUID(),
    name: 'data',
    poolId: '',
    format: 'qcow2',
    sizeBytes: 64 * MiB,
    made: false,
    gone: false,
  }
  const given = () => ({ ...volume, poolId: now().pool.id })
  const plugged = (): MachineVolume => ({ ...given(), slot: 1 })
  const held = async () => (await now().host.machines()).find(({ id }) => id === now().spec.id)?.volumes ?? []

  it('makes a storage pool, says how full it is, and says so when asked again', async () => {
    const { host, pool } = now()
    const made = await host.storagePoolEnsure(pool)
    expect(made.freeBytes).toBeLessThanOrEqual(made.capacityBytes)
    expect(await host.storagePoolEnsure(pool)).toMatchObject({ storageId: made.storageId })
    expect(await host.storagePools()).toEqual([pool.id])
  })

  it('takes another place for a storage pool on which nothing lies, also where the first one could not be', async () => {
    const { host, pool } = now()
    const id = crypto.randomUUID()
    const at = (target: string) => ({ ...pool, id, name: 'moved', target })
    await expect(host.storagePoolEnsure(at('/fail-place/volumes'))).rejects.toThrow()
    const { fileSystem } = await host.storagePoolEnsure(at(`${pool.target}-first`))
    expect(fileSystem).toEqual(expect.any(String))
    // Beside each other they share their space.
    expect(await host.storagePoolEnsure(at(`${pool.target}-second`))).toMatchObject({ fileSystem })
    const elsewhere = { ...given(), poolId: id, id: crypto.randomUUID() }
    expect(await host.volumeEnsure(elsewhere, null)).toMatchObject({ sizeBytes: 64 * MiB })
    // Asked again as it is, it stays, with what lies on it.
    await host.storagePoolEnsure(at(`${pool.target}-second`))
    expect(await host.volumeEnsure({ ...elsewhere, made: true }, null)).toMatchObject({ sizeBytes: 64 * MiB })
    await host.volumeRemove(elsewhere)
    await host.storagePoolRemove(id)
    expect(await host.storagePools()).toEqual([pool.id])
  })

  it('makes a volume thin and larger, and tells one that is missing instead of making it anew', async () => {
    const { host } = now()
    await expect(host.volumeEnsure({ ...given(), made: true }, null)).rejects.toEqual(code('not_found'))
    const made = await host.volumeEnsure(given(), null)
    expect(made.sizeBytes).toBe(64 * MiB)
    expect(made.storedBytes).toBeLessThan(2 * MiB)
    expect(await host.volumeEnsure({ ...given(), made: true }, null)).toMatchObject({ sizeBytes: 64 * MiB })
    expect(await host.volumeEnsure({ ...given(), sizeBytes: 96 * MiB }, null)).toMatchObject({ sizeBytes: 96 * MiB })
  })

  it('plugs a volume into a machine that runs, lets it grow there, and finds it with a new agent', async () => {
    const { host, again, spec, pool } = now()
    await host.volumeAttach(spec.id, plugged())
    await host.volumeAttach(spec.id, plugged())
    expect(await held()).toEqual([volume.id])
    const grown = { ...given(), sizeBytes: 128 * MiB }
    expect(await host.volumeEnsure(grown, spec.id)).toMatchObject({ sizeBytes: 128 * MiB })
    const fresh = await again()
    await fresh.storagePoolEnsure(pool)
    expect(await held()).toEqual([volume.id])
    expect(await fresh.volumeEnsure({ ...grown, made: true }, spec.id)).toMatchObject({ sizeBytes: 128 * MiB })
  })

  it('has a guest whose system reads the medium of an answer file, under both names', async context => {
    const { host, spec } = now()
    if ((await host.facts()).simulated) return context.skip('a simulated guest mounts nothing')
    // The small guest has no driver for the drive that Windows finds it in: the same bytes lie on a volume here.
    const answers = `<unattend>${'ü'.repeat(3000)}</unattend>`
    const packed = gzipSync(answerMedium(answers)).toString('base64')
    const text = `modprobe isofs
mkdir -p /tmp/disc
echo ${packed} | base64 -d | gzip -d >/dev/vdb && mount -r -t iso9660 /dev/vdb /tmp/disc || exit 1
ls /tmp/disc
cmp /tmp/disc/Unattend.xml /tmp/disc/Autounattend.xml && wc -c </tmp/disc/Unattend.xml
umount /tmp/disc`
    const script = { id: 'medium', shell: 'sh' as const, text, input: '', environment: {}, timeoutSeconds: 60 }
    const until = async () => {
      for (;;) {
        const seen = await host.guestScript(spec.id, script)
        if (seen.state !== 'running') return seen
      }
    }
    const output = `Autounattend.xml\nUnattend.xml\n${Buffer.byteLength(answers)}\n`
    expect(await until()).toMatchObject({ exitCode: 0, output })
  })

  it('saves no memory of a machine with a volume, which runs on', async () => {
    const { host, spec } = now()
    const disk = { machineId: spec.id, incarnation: spec.incarnation }
    const { signal } = new AbortController()
    await expect(host.machineSave(spec.id, disk, () => {}, signal)).rejects.toEqual(code('conflict'))
    expect(await held()).toEqual([volume.id])
  })

  it('takes it out again, and destroys it, also when it is gone', async () => {
    const { host, spec } = now()
    for (let time = 0; time < 2; time++) await host.volumeDetach(spec.id, volume.id)
    expect(await held()).toEqual([])
    for (let time = 0; time < 2; time++) await host.volumeRemove(given())
    await expect(host.volumeAttach(crypto.randomUUID(), plugged())).rejects.toEqual(code('not_found'))
  })

  it('forgets a storage pool, also when it is gone', async () => {
    const { host, pool } = now()
    for (let time = 0; time < 2; time++) await host.storagePoolRemove(pool.id)
    expect(await host.storagePools()).toEqual([])
    await expect(host.volumeEnsure(given(), null)).rejects.toEqual(code('not_found'))
  })
}
