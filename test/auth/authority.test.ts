import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Authority, openAuthority } from '../../auth/authority.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-authority-'))
afterAll(() => rmSync(folder, { recursive: true }))
const place = join(folder, 'authority')
const requestOf = (...key: string[]) =>
  execFileSync('openssl', ['req', '-new', '-nodes', '-subj', '/CN=anybody', '-keyout', join(folder, 'k'), ...key], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']

let authority: Authority
beforeAll(async () => {
  authority = await openAuthority(place, 'an-installation')
})

describe('the authority', () => {
  it('is made once, and only we can read its key', async () => {
    expect((await openAuthority(place, 'an-installation')).fingerprint).toBe(authority.fingerprint)
    expect(readdirSync(place).sort()).toEqual(['authority.key', 'authority.pem'])
    expect(statSync(join(place, 'authority.key')).mode & 0o777).toBe(0o600)
    expect(statSync(place).mode & 0o777).toBe(0o700)
    const certificate = new X509Certificate(authority.certificate)
    expect(certificate.ca).toBe(true)
    expect(certificate.subject).toContain('an-installation')
  })

  it('signs what a host asks for with the names and addresses we know, not those it says', async () => {
    const pem = await authority.sign(requestOf(...p256), {
      names: ['h1', 'box'],
      addresses: ['192.0.2.7', '2001:db8::7'],
    })
    const made = new X509Certificate(pem)
    expect(made.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
    expect([made.subject, made.ca]).toEqual(['CN=h1', false])
    expect(made.checkIP('192.0.2.7')).toBe('192.0.2.7')
    expect([made.checkHost('box'), made.checkHost('anybody')]).toEqual(['box', undefined])
    expect(made.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(Date.parse(made.validTo) - Date.now()).toBeGreaterThan(360 * 86_400_000)
  })

  it.each([
    ['no request', () => 'hello'],
    ['a request that another key signed', () => tampered(requestOf(...p256))],
    ['a weak key', () => requestOf('-newkey', 'rsa:1024')],
  ])('refuses %s', async (_, request) => {
    const signing = authority.sign(request(), { names: ['h1'], addresses: [] })
    await expect(signing).rejects.toMatchObject({ code: 'invalid' })
  })

  it.each([['h1\nDNS:other'], ['h1, DNS:other'], ['h1/CN=other'], ['']])('takes no name like %j', async name => {
    const signing = authority.sign(requestOf(...p256), { names: [name], addresses: [] })
    await expect(signing).rejects.toMatchObject({ code: 'invalid' })
  })
})

/** One bit of its signature flipped. */
function tampered(pem: string): string {
  const [, body = ''] = /REQUEST-----([\s\S]*)-----END/.exec(pem) ?? []
  const bytes = Buffer.from(body, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  return `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
}
