/**
 * A sealed image of 1 GiB from host to host over the loopback, with its checksum, against a raw TLS copy of the same bytes:
 * in turns, to the same disk, on it when it is over, with the same keys and cipher.
 *   rate ≥ 0.9 × the raw copy's · cut in the middle and gone on, the line carries ≤ 1.01 × its bytes
 * Run: bash scripts/run.sh bench/transfer.ts [FOLDER [ROUNDS]]
 */
import { execFileSync, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { connect, createServer } from 'node:tls'
import { openAuthority } from '../auth/authority.ts'
import { newId } from '../lib/ids.ts'
import { address, cable, copyingHost, copySpec, identityMake, servingHost } from '../test/vmm/image-hosts.ts'
import { tlsIdentity } from '../vmm/certificates.ts'
import { imagePath, qcow2Header } from '../vmm/disks.ts'
import { foldersOf } from '../vmm/folders.ts'
import { fileSha256 } from '../vmm/image-convert.ts'
import { copyFetcher } from '../vmm/image-fetch.ts'

const mib = 2 ** 20
const sizeMib = 1024
/** The raw copy reads and gathers as we do: it should lack nothing but what it need not do. */
const [readBytes, heldBytes] = [mib, 4 * mib]

if (process.argv[2] === 'serve') await serve(process.argv[3] ?? '', process.argv[4] ?? '')
else await measure(process.argv[2] ?? '/var/tmp', Number(process.argv[3] ?? 5))

/** A process of its own, as the other host is. */
async function serve(folder: string, path: string): Promise<void> {
  // Whoever measures may be killed.
  process.once('disconnect', () => process.exit())
  const host = await servingHost(folder, null)
  const raw = createServer(
    { ...tlsIdentity(host.stateFolder), requestCert: true, minVersion: 'TLSv1.3' },
    socket => void pipeline(createReadStream(path, { highWaterMark: readBytes }), socket).catch(console.error),
  )
  raw.listen(0, address, () => process.send?.({ url: host.server.url(), port: (raw.address() as AddressInfo).port }))
}

async function measure(parent: string, rounds: number): Promise<void> {
  const root = mkdtempSync(join(parent, 'hdcs-transfer-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rmSync(root, { recursive: true, force: true }))
  const serving = join(root, 'serving')
  const folders = foldersOf(join(serving, 'storage'))
  const image = await imageMake(root, folders)
  await identityMake(await openAuthority(join(root, 'authority'), 'bench'), join(serving, 'state'))
  const server = fork(import.meta.filename, ['serve', serving, imagePath(folders, image.id)])
  undo.defer(() => void server.kill())
  const [{ url, port }] = (await once(server, 'message')) as [{ url: string; port: number }]
  const identity = tlsIdentity(join(serving, 'state')) ?? {}
  const { folders: own, store } = await copyingHost(root, copyFetcher(join(serving, 'state')))
  const silent = () => {}
  const never = new AbortController().signal

  async function rawCopy(): Promise<void> {
    const path = join(root, 'raw')
    const socket = connect({ ...identity, host: address, port, minVersion: 'TLSv1.3' })
    await pipeline(socket, createWriteStream(path, { flush: true, highWaterMark: heldBytes }))
    if (statSync(path).size !== image.sizeBytes) throw new Error('not all of it came')
    rmSync(path)
  }
  const ourCopy = async (urls: string[]) => {
    await store.imageMake(copySpec(image, urls), silent, never)
  }

  const told = `${url}/images/${image.id}`
  const seconds: { raw: number; ours: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const raw = await timed(rawCopy)
    const ours = await timed(() => ourCopy([told]))
    await store.imageRemove(image.id)
    const show = ({ wall, cpu }: Timed) => `${rate(wall).padStart(7)} MiB/s (${cpu.toFixed(2)} CPU s here)`
    console.log(`${round === 0 ? 'warm-up' : `round ${round}`}: raw ${show(raw)}, ours ${show(ours)}`)
    if (round > 0) seconds.push({ raw: raw.wall, ours: ours.wall })
  }

  await using line = await cable(told, (image.sizeBytes / 2) | 0)
  const cut = await ourCopy([line.through(told)]).catch(error => error.code)
  const before = statSync(`${imagePath(own, image.id)}.copy`).size
  await ourCopy([line.through(told)])
  console.log(
    `cut (${cut}) after ${before} bytes, gone on: the line carried ${line.counted.bytes} bytes for ${image.sizeBytes}`,
  )

  const [raw, ours] = [median(seconds.map(({ raw }) => raw)), median(seconds.map(({ ours }) => ours))]
  const checks: [boolean, string][] = [
    [ours <= raw / 0.9, `${rate(ours)} MiB/s ≥ 0.9 × ${rate(raw)} of a raw TLS copy (${(raw / ours).toFixed(2)} ×)`],
    [
      line.counted.bytes <= 1.01 * image.sizeBytes && cut === 'unreachable',
      `a cut copy is gone on: ${(line.counted.bytes / image.sizeBytes).toFixed(4)} × its bytes ≤ 1.01`,
    ],
  ]
  for (const [kept, text] of checks) console.log(`${kept ? '  kept ' : 'MISSED '} ${text}`)
  process.exitCode = checks.every(([kept]) => kept) ? 0 : 1
}

/** What nothing makes smaller, as a sealed qcow2. */
async function imageMake(root: string, folders: ReturnType<typeof foldersOf>) {
  const raw = join(root, 'image.raw')
  {
    await using file = await open(raw, 'w')
    for (let n = 0; n < sizeMib; n++) await file.write(randomBytes(mib))
  }
  mkdirSync(folders.images, { recursive: true })
  const id = newId()
  const path = imagePath(folders, id)
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, path])
  rmSync(raw)
  const sizeBytes = statSync(path).size
  const { virtualBytes } = await qcow2Header(path)
  const note = {
    id,
    virtualBytes,
    storedBytes: sizeBytes,
    sha256: await fileSha256(path, new AbortController().signal),
  }
  await writeFile(path.replace('.qcow2', '.json'), JSON.stringify(note))
  return { ...note, sizeBytes }
}

interface Timed {
  wall: number
  cpu: number
}

/** What earlier rounds left for the disk is on it before. */
async function timed(work: () => Promise<void>): Promise<Timed> {
  execFileSync('sync')
  const cpu = process.cpuUsage()
  const began = performance.now()
  await work()
  const wall = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { wall, cpu: (user + system) / 1e6 }
}

function rate(seconds: number) {
  return (sizeMib / seconds).toFixed(0)
}

function median(values: number[]) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
