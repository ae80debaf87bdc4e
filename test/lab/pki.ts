/** Certificates of a lab: its own authority, and for each host one that serves libvirt (`qemu+tls`) and QEMU's migration. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { dhParams } from '../../vmm/certificates.ts'

const run = promisify(execFile)
const openssl = (folder: string, ...args: string[]) => run('openssl', args, { cwd: folder, timeout: 20_000 })
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Makes the authority unless the folder has one. */
export async function authorityEnsure(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (await exists(join(folder, 'ca.pem'))) return
  await openssl(
    folder,
    'req',
    '-x509',
    ...key,
    '-days',
    '30',
    '-subj',
    '/CN=lab',
    '-keyout',
    'ca.key',
    '-out',
    'ca.new',
  )
  await openssl(folder, 'x509', '-in', 'ca.new', '-out', 'ca.pem')
}

/**
 * Fills `into` as `/etc/pki` is filled on a host (libvirt: remote TLS; qemu.conf: `default_tls_x509_cert_dir`), unless it is.
 * @param host is in the certificate by its name and its address: libvirt checks what the URI says.
 * @returns whether it was made now.
 */
export async function certificateEnsure(
  authority: string,
  host: { name: string; address: string },
  into: string,
): Promise<boolean> {
  const last = join(into, 'qemu', 'client-key.pem')
  if (await exists(last)) return false
  for (const folder of ['CA', 'libvirt/private', 'qemu']) await mkdir(join(into, folder), { recursive: true })
  const file = (kind: string) => `${host.name}.${kind}`
  await openssl(authority, 'req', ...key, '-subj', `/CN=${host.name}`, '-keyout', file('key'), '-out', file('csr'))
  const uses = [
    `subjectAltName=DNS:${host.name},IP:${host.address}`,
    'keyUsage=digitalSignature,keyEncipherment',
    'extendedKeyUsage=serverAuth,clientAuth',
    'basicConstraints=CA:FALSE',
  ]
  await writeFile(join(authority, file('ext')), uses.join('\n'))
  const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-CAserial', file('serial')]
  const signed = ['-req', '-in', file('csr'), '-extfile', file('ext'), '-days', '30', '-out', file('pem')]
  await openssl(authority, 'x509', ...signed, ...signer)
  const from = { ca: 'ca.pem', cert: file('pem'), key: file('key') }
  await writeFile(join(into, 'qemu', 'dh-params.pem'), dhParams)
  for (const [part, place] of places) await copyFile(join(authority, from[part]), join(into, place))
  for (const kind of ['key', 'csr', 'ext', 'serial', 'pem']) await rm(join(authority, file(kind)))
  return true
}

/** Takes them away again: libvirtd has read them. */
export async function certificateRemove(from: string): Promise<void> {
  for (const folder of ['CA', 'libvirt', 'qemu']) await rm(join(from, folder), { recursive: true, force: true })
}

const places = [
  ['ca', 'CA/cacert.pem'],
  ['cert', 'libvirt/servercert.pem'],
  ['key', 'libvirt/private/serverkey.pem'],
  ['cert', 'libvirt/clientcert.pem'],
  ['key', 'libvirt/private/clientkey.pem'],
  ['ca', 'qemu/ca-cert.pem'],
  ['cert', 'qemu/server-cert.pem'],
  ['key', 'qemu/server-key.pem'],
  ['cert', 'qemu/client-cert.pem'],
  // The last one: when it is there, all are.
  ['key', 'qemu/client-key.pem'],
] as const

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false, // not made yet
  )
