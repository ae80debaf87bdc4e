/** What every host promises of snapshots in a machine's disk, running and standing. */
import { expect, it } from 'vitest'
import type { HostAtTest } from './host-saved.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const [first, second] = ['018f0000-0000-7000-8000-00000000a001', '018f0000-0000-7000-8000-00000000a002']
const diskOf = ({ spec }: HostAtTest) => ({ machineId: spec.id, incarnation: spec.incarnation })
const idsOf = async (at: HostAtTest) => (await at.host.snapshots(diskOf(at))).map(({ id }) => id)

export function describeSnapshotsRunning(at: HostAtTest): void {
  it('takes a snapshot of a disk that is in use, once, and the guest goes on', async () => {
    const disk = diskOf(at)
    expect((await at.host.snapshotTake(disk, first)).frozen).toEqual(expect.any(Boolean))
    await at.host.snapshotTake(disk, first)
    const [found] = await at.host.snapshots(disk)
    expect(found).toMatchObject({ id: first, takenAt: expect.stringMatching(/^20\d\d-/) })
    expect(await at.mine()).toMatchObject({ power: 'running' })
    expect(await at.host.agentPing(at.spec.id, 5_000)).toBe(true)
    await expect(at.host.snapshotRevert(disk, first)).rejects.toEqual(code('conflict'))
  })

  it('removes a snapshot of a disk that is in use, also when it is gone', async () => {
    await at.host.snapshotTake(diskOf(at), second)
    for (let time = 0; time < 2; time++) await at.host.snapshotRemove(diskOf(at), second)
    expect(await idsOf(at)).toEqual([first])
  })
}

export function describeSnapshotsStanding(at: HostAtTest): void {
  it('reverts the disk of a machine that stands, as often as it is asked, and the machine starts from it', async () => {
    const disk = diskOf(at)
    await at.host.snapshotTake(disk, second)
    expect(await idsOf(at)).toEqual([first, second])
    for (let time = 0; time < 2; time++) await at.host.snapshotRevert(disk, first)
    expect(await idsOf(at)).toEqual([first, second])
    await expect(at.host.snapshotRevert(disk, crypto.randomUUID())).rejects.toEqual(code('not_found'))
    expect(await at.host.machineStart(at.spec)).toMatchObject({ power: 'running' })
    await at.host.machineDestroy(at.spec.id)
    for (const id of [first, second]) await at.host.snapshotRemove(disk, id)
    expect(await idsOf(at)).toEqual([])
  })
}
