/** The product's own certificates on real libvirt hosts, as agents put them there. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Authority, openAuthority } from '../../auth/authority.ts'
import { makeLog } from '../../lib/log.ts'
import { keepCertificate } from '../../vmm/certificates.ts'
import { type Lab, labUp } from './lab.ts'

const names = ['h1', 'h2', 'h3']
const folder = mkdtempSync(join(tmpdir(), 'hdcs-authorities-'))
let lab: Lab
beforeAll(async () => {
  const hosts = names.map(name => ({ name, cluster: 'main' }))
  lab = await labUp({ folder: '/var/tmp/hdcs-lab-certificates', hosts, fresh: true })
}, 120_000)
afterAll(async () => {
  await lab?.down()
  rmSync(folder, { recursive: true })
}, 60_000)

/** What an agent does at its start, in place of what the lab itself had put there. @param days from now. */
async function certify(name: string, authority: Authority, state: string, days = 0): Promise<void> {
  const { home, address } = lab.host(name)
  const pkiFolder = join(home, 'pki')
  if (days === 0)
    for (const part of ['CA', 'libvirt', 'qemu']) rmSync(join(pkiFolder, part), { recursive: true, force: true })
  mkdirSync(pkiFolder, { recursive: true })
  const keeping = await keepCertificate({
    pkiFolder,
    stateFolder: join(folder, state, name),
    hostName: name,
    addresses: [address],
    qemuGroup: null,
    async request({ request }) {
      const certificate = await authority.sign(request, { names: [name], addresses: [address] })
      return { certificate, authority: authority.certificate }
    },
    installed: async () => {
      await lab.exec(name, ['virt-admin', '-c', 'libvirtd:///system', 'server-update-tls', 'libvirtd'])
    },
    log: makeLog('test', 'silent'),
    clock: { now: () => new Date(Date.now() + days * 86_400_000) },
  })
  await keeping[Symbol.asyncDispose]()
}

/** What `from` hears when it asks `to` for its name over TLS. */
const ask = (from: string, to: string) =>
  lab.exec(from, ['virsh', '-c', `qemu+tls://${to}/system`, 'hostname']).then(
    ({ stdout }) => stdout.trim(),
    error => `refused: ${error.stderr ?? error}`,
  )

it('let libvirt hosts reach each other by name and by address, also after they were renewed, and no stranger', async () => {
  const ours = await openAuthority(join(folder, 'ours'), 'ours')
  const another = await openAuthority(join(folder, 'another'), 'another')
  for (const name of ['h1', 'h2']) await certify(name, ours, 'ours')
  await certify('h3', another, 'another')
  expect(await ask('h1', 'h2')).toBe('h2')
  expect(await ask('h2', lab.host('h1').address)).toBe('h1')
  expect(await ask('h3', 'h1')).toMatch(/refused: .*certificate/is)
  expect(await ask('h1', 'h3')).toMatch(/refused: .*certificate/is)
  await certify('h2', ours, 'ours', 300)
  expect(await ask('h1', 'h2')).toBe('h2')
  expect(await ask('h2', 'h1')).toBe('h1')
})
