/** What QEMU itself takes to move a guest, told by QMP alone: the yardstick of bench/migrate.ts. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Guest, guestStart } from '../test/images/guest.ts'

export interface RawMove {
  /** From the start of the target's QEMU to the guest running there, in seconds: libvirt has to start one, too. */
  wallSeconds: number
  /** From `migrate` to its end, as QEMU says. */
  migrateSeconds: number
  pauseMs: number
}

export interface RawOptions {
  image: string
  memoryMib: number
  moves: number
  /** The largest pause that QEMU shall take, as ours. */
  pauseMs: number
  /** Certificates of two hosts as QEMU wants them, and the name in the target's; null: unencrypted. */
  tls: { source: string; target: string; name: string } | null
  port: number
}

/** A guest is idle some seconds after it answered. */
const settleMs = 5_000

const credentials = (folder: string, endpoint: string) => [
  '-object',
  `tls-creds-x509,id=tls,dir=${folder},endpoint=${endpoint},verify-peer=on`,
]

/** One guest, moved again and again from a QEMU to a fresh one. */
export async function rawMigrations(options: RawOptions): Promise<RawMove[]> {
  const { image, memoryMib, tls, port } = options
  await using first = await guestStart({
    image,
    memoryMib,
    oemStrings: ['hdcs.hostname=raw'],
    // Both ends: it is sent from here, and its successor receives and sends.
    extra: tls ? credentials(tls.source, 'client') : [],
  })
  await first.ready(120_000)
  await sleep(settleMs)
  await using guests = new AsyncDisposableStack()
  const moves: RawMove[] = []
  const source: Guest = first
  for (let count = 0; count < options.moves; count++) {
    const began = performance.now()
    const target = guests.use(
      await guestStart({
        image,
        memoryMib,
        overlay: first.overlay,
        oemStrings: ['hdcs.hostname=raw'],
        extra: ['-incoming', 'defer', ...(tls ? credentials(tls.target, 'server') : [])],
      }),
    )
    if (tls) await target.qmp('migrate-set-parameters', { 'tls-creds': 'tls' })
    await target.qmp('migrate-incoming', { uri: `tcp:127.0.0.1:${port + count}` })
    const limits = { 'downtime-limit': options.pauseMs, 'max-bandwidth': 2 ** 40 }
    const secure = tls ? { 'tls-creds': 'tls', 'tls-hostname': tls.name } : {}
    await source.qmp('migrate-set-parameters', { ...limits, ...secure })
    await source.qmp('migrate', { uri: `tcp:127.0.0.1:${port + count}` })
    const done = await ended(source)
    moves.push({ wallSeconds: (performance.now() - began) / 1000, ...done })
    // Back to where it was, so that every move is of the same guest: the target ends, the source goes on.
    await target[Symbol.asyncDispose]()
    await source.qmp('cont')
    await sleep(1_000)
  }
  return moves
}

async function ended(source: Guest): Promise<{ migrateSeconds: number; pauseMs: number }> {
  for (;;) {
    const state = (await source.qmp('query-migrate')) as { status: string; 'total-time'?: number; downtime?: number }
    if (state.status === 'completed')
      return { migrateSeconds: (state['total-time'] ?? 0) / 1000, pauseMs: state.downtime ?? 0 }
    if (state.status === 'failed' || state.status === 'cancelled')
      throw new Error(`QEMU's own migration: ${state.status}`)
    await sleep(10)
  }
}

/** Where the lab keeps a host's certificates for QEMU. */
export const qemuPki = (hostHome: string) => join(hostHome, 'pki', 'qemu')
