/**
 * This host's certificate, by which other hosts know it when a guest moves: asked for with a key that never leaves the
 * host, put where libvirt and QEMU look for it, and renewed long before it ends. What others put there stays.
 */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, pause, systemClock } from '../lib/clock.ts'
import { asHdcsError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { fileWrite } from './folders.ts'
import { runOrThrow } from './programs.ts'

export interface CertificateOptions {
  /** Where libvirt and QEMU look: `/etc/pki`. */
  pkiFolder: string
  /** The host's own: the key, the certificate and what was installed are kept there. */
  stateFolder: string
  hostName: string
  addresses: string[]
  /** Group QEMU runs as: it reads its keys itself. Null: as we do. */
  qemuGroup: number | null
  /** Asks the control plane. */
  request(ask: CertificateRequest): Promise<CertificateAnswer>
  /** New files are in place: libvirt must be told. */
  installed(): Promise<void>
  log: Log
  clock?: Clock
}

export interface CertificateRequest {
  request: string
  hostName: string
  addresses: string[]
}
export interface CertificateAnswer {
  certificate: string
  /** Of the authority that signed it. */
  authority: string
}

/** A day off is no harm, and a clock that was set is noticed soon. */
const lookAgainMs = 6 * 3_600_000
/** After a failure. Longer: the first move waits; shorter: a control plane that cannot is asked in a loop. */
const tryAgainMs = 60_000

/**
 * Resolves when the certificate is in place, or the first attempt failed; goes on until disposed. A host without a
 * certificate still carries desktops: nothing here stops it.
 */
export async function keepCertificate(options: CertificateOptions): Promise<AsyncDisposable> {
  const { log, clock = systemClock } = options
  const ended = new AbortController()
  let lastText = ''

  async function attempt(): Promise<boolean> {
    try {
      const held = await ensure(options, clock.now())
      const foreign = await install(options, held)
      if (foreign === null) return true
      say(
        `Certificates that are not ours lie in ${options.pkiFolder} (${foreign}): they stay and are used as they are.`,
      )
      return true
    } catch (thrown) {
      const error = asHdcsError(thrown, 'The host’s certificate could not be made or put in place.')
      say(error.message, error)
      return false
    }
  }
  /** Once for each reason. */
  function say(text: string, err?: Error) {
    if (text !== lastText) log.warn({ err }, text)
    lastText = text
  }

  let done = await attempt()
  const keeping = (async () => {
    for (;;) {
      await pause(done ? lookAgainMs : tryAgainMs, ended.signal)
      if (ended.signal.aborted) return
      done = await attempt()
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      ended.abort()
      await keeping
    },
  }
}

interface Held extends CertificateAnswer {
  key: string
}

/** What is kept, when it is still good; else a new certificate for the key that is kept. */
async function ensure(options: CertificateOptions, now: Date): Promise<Held> {
  const { hostName, addresses } = options
  const file = (name: string) => join(options.stateFolder, name)
  await mkdir(options.stateFolder, { recursive: true, mode: 0o700 })
  const kept = await readKept(options.stateFolder)
  if (kept && !certificateDue(kept.certificate, addresses, now)) return kept
  const key = kept?.key ?? (await read(file('host.key'))) ?? newKey()
  await fileWrite(file('host.key'), Buffer.from(key), 0o600)
  const subject = ['-subj', '/CN=host', '-key', file('host.key')]
  const { output } = await runOrThrow('openssl', ['req', '-new', ...subject], { timeoutMs: 20_000 })
  const answer = await options.request({ request: output, hostName, addresses })
  await fileWrite(file('authority.pem'), Buffer.from(answer.authority))
  await fileWrite(file('host.pem'), Buffer.from(answer.certificate))
  options.log.info({ until: new X509Certificate(answer.certificate).validTo }, 'this host has a new certificate')
  return { key, ...answer }
}

const newKey = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

async function readKept(folder: string): Promise<Held | null> {
  const [key, certificate, authority] = await Promise.all(
    ['host.key', 'host.pem', 'authority.pem'].map(name => read(join(folder, name))),
  )
  return key && certificate && authority ? { key, certificate, authority } : null
}

export interface TlsIdentity {
  key: string
  cert: string
  ca: string
}

/** What is kept, as node:tls takes it. Read anew for each connection, so that a renewed one is used at once. Null: none yet. */
export function tlsIdentity(stateFolder: string): TlsIdentity | null {
  const text = (name: string) => readFileSync(join(stateFolder, name), 'utf8')
  try {
    return { key: text('host.key'), cert: text('host.pem'), ca: text('authority.pem') }
  } catch {
    return null // the control plane signed none yet
  }
}

const read = (path: string) => readFile(path, 'utf8').catch(() => null) // not there, or not for us: made anew, or told when written

/** Whether a certificate is to be renewed: two thirds of its life are over, or it lacks an address. Pure. */
export function certificateDue(pem: string, addresses: readonly string[], now: Date): boolean {
  const certificate = new X509Certificate(pem)
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  return now.getTime() >= from + ((to - from) * 2) / 3 || addresses.some(address => !certificate.checkIP(address))
}

interface PkiFile {
  path: string
  text: string
  /** Keys: only for root, or for QEMU's group too. */
  readers: 'all' | 'root' | 'qemu'
}

/**
 * The 2048 bits of RFC 7919 (appendix A.1; `openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048`). A QEMU that
 * finds none makes some of its own each time it waits for a guest: 0.2 s, now and then more than 1 s, for each move.
 */
export const dhParams = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`

/** Names of libvirt (remote TLS) and of QEMU (`default_tls_x509_cert_dir`). */
const pkiFiles = ({ key, certificate, authority }: Held): PkiFile[] => [
  { path: 'CA/cacert.pem', text: authority, readers: 'all' },
  { path: 'libvirt/servercert.pem', text: certificate, readers: 'all' },
  { path: 'libvirt/clientcert.pem', text: certificate, readers: 'all' },
  { path: 'libvirt/private/serverkey.pem', text: key, readers: 'root' },
  { path: 'libvirt/private/clientkey.pem', text: key, readers: 'root' },
  { path: 'qemu/ca-cert.pem', text: authority, readers: 'all' },
  { path: 'qemu/dh-params.pem', text: dhParams, readers: 'all' },
  { path: 'qemu/server-cert.pem', text: certificate, readers: 'all' },
  { path: 'qemu/client-cert.pem', text: certificate, readers: 'all' },
  { path: 'qemu/server-key.pem', text: key, readers: 'qemu' },
  { path: 'qemu/client-key.pem', text: key, readers: 'qemu' },
]

/**
 * Puts the files in place, all or none.
 * @returns the first that somebody else put there; null when all are ours.
 */
async function install(options: CertificateOptions, held: Held): Promise<string | null> {
  const list = join(options.stateFolder, 'installed.json')
  const ours = new Set<string>(JSON.parse((await read(list)) ?? '[]'))
  const files = pkiFiles(held)
  const there = await Promise.all(files.map(({ path }) => read(join(options.pkiFolder, path))))
  const missing = files.filter((file, index) => there[index] !== file.text)
  const foreign = files.find(
    (file, index) => there[index] !== null && there[index] !== file.text && !ours.has(digest(there[index] ?? '')),
  )
  if (foreign) return foreign.path
  if (missing.length === 0) return null
  const made = files.map(({ text }) => digest(text))
  // Before the first is written: a crash between them must not make strangers of our own files.
  await fileWrite(list, Buffer.from(JSON.stringify([...new Set([...ours, ...made])])), 0o600)
  for (const file of missing) await place(options, file)
  await fileWrite(list, Buffer.from(JSON.stringify([...new Set(made)])), 0o600)
  await options.installed()
  return null
}

async function place({ pkiFolder, qemuGroup }: CertificateOptions, { path, text, readers }: PkiFile): Promise<void> {
  const full = join(pkiFolder, path)
  await mkdir(dirname(full), { recursive: true, mode: readers === 'root' ? 0o700 : 0o755 })
  await fileWrite(full, Buffer.from(text), readers === 'all' ? 0o644 : 0o600)
  if (readers !== 'qemu' || qemuGroup === null) return
  await chown(full, -1, qemuGroup)
  await chmod(full, 0o640)
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex')

/** Servers that may be the one that listens: libvirtd, or the proxy of modular daemons. */
const tlsServers = ['libvirtd', 'virtproxyd']

/** libvirt reads its certificates at its start and when it is told; guests and connections stay. */
export async function libvirtReadCertificates(log: Log): Promise<void> {
  for (const server of tlsServers) {
    const args = ['-c', `${server}:///system`, 'server-update-tls', server]
    const told = await runOrThrow('virt-admin', args, { timeoutMs: 10_000 }).catch(error => error)
    if (!(told instanceof Error)) return
    log.debug({ err: told, server }, 'this daemon does not read certificates')
  }
  log.info('libvirt was not told of its new certificates (it may not listen with TLS): it reads them at its next start')
}
