import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Authority, openAuthority } from '../../auth/authority.ts'
import { HdcsError } from '../../lib/errors.ts'
import { makeLog } from '../../lib/log.ts'
import {
  type CertificateOptions,
  type CertificateRequest,
  certificateDue,
  keepCertificate,
} from '../../vmm/certificates.ts'

const dayMs = 86_400_000
const root = mkdtempSync(join(tmpdir(), 'hdcs-certificates-'))
afterAll(() => rmSync(root, { recursive: true }))

let authority: Authority
let folder: string
let asked: CertificateRequest[]
let installed: number
beforeAll(async () => {
  authority = await openAuthority(join(root, 'authority'), 'installation')
})
beforeEach(() => {
  folder = mkdtempSync(join(root, 'host-'))
  asked = []
  installed = 0
})

const pki = (path: string) => join(folder, 'pki', path)
const text = (path: string) => readFileSync(pki(path), 'utf8')

/** One start of the agent, at a moment. */
async function start(over: Partial<CertificateOptions> = {}, days = 0): Promise<void> {
  const keeping = await keepCertificate({
    pkiFolder: join(folder, 'pki'),
    stateFolder: join(folder, 'state'),
    hostName: 'box',
    addresses: ['192.0.2.7'],
    qemuGroup: null,
    async request(ask) {
      asked.push(ask)
      const certificate = await authority.sign(ask.request, { names: [ask.hostName], addresses: ask.addresses })
      return { certificate, authority: authority.certificate }
    },
    async installed() {
      installed++
    },
    log: makeLog('test', 'silent'),
    clock: { now: () => new Date(Date.now() + days * dayMs) },
    ...over,
  })
  await keeping[Symbol.asyncDispose]()
}

describe('a host’s certificate', () => {
  it('lies where libvirt and QEMU look, with a key that only root can read', async () => {
    await start()
    for (const path of [
      'libvirt/servercert.pem',
      'libvirt/clientcert.pem',
      'qemu/server-cert.pem',
      'qemu/client-cert.pem',
    ])
      expect(new X509Certificate(text(path)).checkIP('192.0.2.7')).toBe('192.0.2.7')
    for (const path of ['CA/cacert.pem', 'qemu/ca-cert.pem']) expect(text(path)).toBe(authority.certificate)
    for (const path of ['libvirt/private/serverkey.pem', 'qemu/server-key.pem']) {
      expect(statSync(pki(path)).mode & 0o777).toBe(0o600)
      expect(new X509Certificate(text('libvirt/servercert.pem')).checkPrivateKey(createPrivateKey(text(path)))).toBe(
        true,
      )
    }
    expect(statSync(pki('libvirt/private')).mode & 0o077).toBe(0)
    expect(installed).toBe(1)
  })

  it('comes with numbers for QEMU’s key exchange, which would else make its own for every guest that comes', async () => {
    await start()
    const said = execFileSync('openssl', ['pkeyparam', '-check', '-noout', '-in', pki('qemu/dh-params.pem')], {
      encoding: 'utf8',
    })
    expect(said).toContain('Parameters are valid')
  })

  it('is asked for once, and not at every start', async () => {
    await start()
    await start()
    expect([asked.length, installed]).toEqual([1, 1])
  })

  it('is renewed for the same key when two thirds of its life are over', async () => {
    await start()
    const [key, before] = [text('qemu/server-key.pem'), text('qemu/server-cert.pem')]
    await start({}, 200)
    expect(asked.length).toBe(1)
    await start({}, 250)
    expect([asked.length, installed]).toEqual([2, 2])
    expect(text('qemu/server-key.pem')).toBe(key)
    expect(text('qemu/server-cert.pem')).not.toBe(before)
  })

  it('is asked for anew when the host has another address', async () => {
    await start()
    await start({ addresses: ['192.0.2.8'] })
    expect(new X509Certificate(text('libvirt/servercert.pem')).checkIP('192.0.2.8')).toBe('192.0.2.8')
  })

  it('is put back when it is missing, without asking', async () => {
    await start()
    rmSync(pki('qemu'), { recursive: true })
    await start()
    expect(existsSync(pki('qemu/server-cert.pem'))).toBe(true)
    expect(asked.length).toBe(1)
  })

  it('never takes the place of one that somebody else put there, nor stands half beside it', async () => {
    mkdirSync(pki('CA'), { recursive: true })
    writeFileSync(pki('CA/cacert.pem'), 'the site’s own')
    await start()
    expect(text('CA/cacert.pem')).toBe('the site’s own')
    expect(existsSync(pki('libvirt'))).toBe(false)
    expect(installed).toBe(0)
  })

  it('does not stop a host whose control plane makes none, and comes at a later start with the same key', async () => {
    await start({ request: () => Promise.reject(new HdcsError('unreachable', 'not now')) })
    expect(existsSync(pki('libvirt'))).toBe(false)
    const key = readFileSync(join(folder, 'state/host.key'), 'utf8')
    await start()
    expect(text('qemu/server-key.pem')).toBe(key)
  })

  it('is due by its own dates and addresses', async () => {
    await start()
    const pem = text('qemu/server-cert.pem')
    const at = (days: number) => new Date(Date.now() + days * dayMs)
    expect(certificateDue(pem, ['192.0.2.7'], at(0))).toBe(false)
    expect(certificateDue(pem, ['192.0.2.7'], at(242))).toBe(false)
    expect(certificateDue(pem, ['192.0.2.7'], at(244))).toBe(true)
    expect(certificateDue(pem, ['192.0.2.7', '192.0.2.9'], at(0))).toBe(true)
  })
})
