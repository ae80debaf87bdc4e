/** The table of snapshots as QEMU's own program writes it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { blockFile } from '../../vmm/libvirt-snapshots.ts'
import { qcow2Snapshots } from '../../vmm/qcow2-snapshots.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-snapshots-'))
afterAll(() => rmSync(folder, { recursive: true }))
const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' })

it('reads names, times and sizes of all snapshots, of any length of name, also of a disk that grew since', async () => {
  const path = join(folder, 'disk.qcow2')
  qemuImg('create', '-q', '-f', 'qcow2', path, '16M')
  expect(await qcow2Snapshots(path)).toEqual([])
  const names = ['a', 'hdcs.018f0000-0000-7000-8000-00000000a001', 'ä name']
  for (const name of names) qemuImg('snapshot', '-q', '-c', name, path)
  qemuImg('resize', '-q', path, '32M')
  qemuImg('snapshot', '-q', '-c', 'grown', path)
  const found = await qcow2Snapshots(path)
  expect(found.map(({ name }) => name)).toEqual([...names, 'grown'])
  expect(found.map(({ diskBytes }) => diskBytes / 2 ** 20)).toEqual([16, 16, 16, 32])
  for (const { takenAt } of found) expect(Math.abs(Date.now() - takenAt.getTime())).toBeLessThan(60_000)
  qemuImg('snapshot', '-q', '-d', 'a', path)
  expect((await qcow2Snapshots(path)).map(({ name }) => name)).toEqual([...names.slice(1), 'grown'])
})

it('refuses what is no qcow2 image', async () => {
  await expect(qcow2Snapshots(import.meta.filename)).rejects.toMatchObject({ code: 'invalid' })
})

it('knows the file of a disk however QEMU names it', () => {
  const file = { driver: 'file', filename: '/d/overlays/x.1.qcow2' }
  const opened = {
    backing: { driver: 'qcow2', file: { driver: 'file', filename: '/d/images/y.qcow2' } },
    driver: 'qcow2',
    file,
  }
  expect(blockFile(`json:${JSON.stringify(opened)}`)).toBe('/d/overlays/x.1.qcow2')
  expect(blockFile('/d/overlays/x.1.qcow2')).toBe('/d/overlays/x.1.qcow2')
})
