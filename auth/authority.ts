/**
 * Our own certificate authority: says which host is which to the other hosts' libvirt and QEMU. Its key never leaves the
 * control plane's data folder, a host's key never leaves the host. The work is done by `openssl`, run without a shell.
 */
import { execFile } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { HdcsError } from '../lib/errors.ts'

export interface Authority {
  /** PEM. */
  certificate: string
  /** Upper-case hex: another authority has another. */
  fingerprint: string
  /**
   * A certificate for servers and clients, with the names and addresses given here whatever the request itself says.
   * @param request PEM, PKCS #10.
   * @throws HdcsError `invalid` for what is no request, is not signed by its own key, or has a weak key.
   */
  sign(request: string, subject: CertificateSubject): Promise<string>
}

export interface CertificateSubject {
  names: readonly string[]
  addresses: readonly string[]
}

/** Longer: a host that was sold can speak for itself longer; shorter: a control plane away for a month breaks moves. */
const hostDays = 365
/** Changing the authority means new certificates on all hosts at once. */
const authorityDays = 3650
/** `openssl` answers in milliseconds. */
const programMs = 20_000

const run = promisify(execFile)
/** A name or an address goes into a file that `openssl` reads: nothing in it may begin a new line or field. */
const safeForm = /^[A-Za-z0-9.:-]{1,253}$/

/**
 * The authority in a folder, made when there is none.
 * @param installationId stands in its name, so that people can tell two authorities apart.
 * @throws HdcsError `unsupported` when `openssl` is missing.
 */
export async function openAuthority(folder: string, installationId: string): Promise<Authority> {
  const [keyFile, certificateFile] = [join(folder, 'authority.key'), join(folder, 'authority.pem')]
  const read = () => readFile(certificateFile, 'utf8').catch(() => null) // none yet
  const certificate = (await read()) ?? (await make(folder, keyFile, certificateFile, installationId))
  const sign = (request: string, subject: CertificateSubject) =>
    inWorkFolder(async work => {
      const { names, addresses } = subject
      if (![...names, ...addresses].every(text => safeForm.test(text)) || names.length === 0)
        throw new HdcsError('invalid', 'A certificate needs a name, and addresses that are some.')
      const file = (name: string) => join(work, name)
      await writeFile(file('request'), request)
      const alternatives = [...names.map(name => `DNS:${name}`), ...addresses.map(address => `IP:${address}`)]
      await writeFile(file('extensions'), hostExtensions(alternatives))
      const serial = `0x${randomBytes(15).toString('hex')}`
      const signer = ['-CA', certificateFile, '-CAkey', keyFile, '-set_serial', serial, '-sha256']
      const made = ['-extfile', file('extensions'), '-subj', `/CN=${names[0]}`, '-days', String(hostDays)]
      await openssl('x509', '-req', '-in', file('request'), '-out', file('made'), ...signer, ...made).catch(asInvalid)
      const pem = await readFile(file('made'), 'utf8')
      refuseWeak(pem)
      return pem
    })
  return { certificate, fingerprint: new X509Certificate(certificate).fingerprint256, sign }
}

async function make(folder: string, keyFile: string, certificateFile: string, installationId: string) {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return inWorkFolder(async work => {
    const file = (name: string) => join(work, name)
    await writeFile(file('config'), authorityConfig(installationId))
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file('key')]
    const made = ['-days', String(authorityDays), '-config', file('config'), '-out', file('certificate')]
    await openssl('req', '-x509', '-sha256', ...key, ...made)
    await chmod(file('key'), 0o600)
    // The certificate last: who finds it finds the key too.
    await rename(file('key'), keyFile)
    await rename(file('certificate'), certificateFile)
    return readFile(certificateFile, 'utf8')
  }, folder)
}

const authorityConfig = (installationId: string) => `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
O = HDCS
CN = HDCS authority ${installationId}
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
`

/** What GnuTLS, and libvirt's own check before it, want of either end. */
const hostExtensions = (alternatives: string[]) => `basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${alternatives.join(', ')}
`

/** @throws HdcsError `invalid`. */
function refuseWeak(pem: string): void {
  const { publicKey } = new X509Certificate(pem)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  const strong = type === 'ec' || type === 'ed25519' || (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048)
  if (!strong)
    throw new HdcsError('invalid', `A key of this kind (${type}) is too weak: use P-256 or RSA of 2048 bits.`)
}

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args, { timeout: programMs, env: { ...process.env, LC_ALL: 'C' } }).catch(cause => {
    if (cause.code === 'ENOENT')
      throw new HdcsError('unsupported', 'openssl is not installed here: certificates cannot be made.', { cause })
    throw new HdcsError('internal', 'openssl failed; the log says how.', { cause })
  })
}

const asInvalid = (error: HdcsError): never => {
  if (error.code !== 'internal') throw error
  throw new HdcsError('invalid', 'This is no certificate request, or its own key did not sign it.', { cause: error })
}

/** Keys pass through it: only we can look into it, and it goes whatever happens. @param parent so that files can be moved from it. */
async function inWorkFolder<T>(work: (folder: string) => Promise<T>, parent = tmpdir()): Promise<T> {
  const folder = await mkdtemp(join(parent, 'hdcs-openssl-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
