/** How this host stands among others: who guards its disks, and how guests are sent to it. Read once, at the agent's start. */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'

/** libvirt's own port for TLS (IANA `libvirt`). */
const tlsPort = 16514
/** A listener on this very host answers at once. */
const dialMs = 2_000
const configFolder = '/etc/libvirt'

/** A value of libvirt's configuration files: `name = "value"` or `name = 1`; the last line counts. Pure. */
export function configValue(text: string, name: string): string | undefined {
  const lines = [...text.matchAll(/^[ \t]*(\w+)[ \t]*=[ \t]*(?:"([^"]*)"|(\S+))/gm)]
  const line = lines.findLast(([, found]) => found === name)
  return line?.[2] ?? line?.[3]
}

export interface DiskLocks {
  /** Where `lockd` keeps a file for each disk, named by the SHA-256 of its path; null: elsewhere, or with the disk itself. */
  folder: string | null
}

/**
 * libvirt's lock manager, which refuses a second start of one disk, also from another host: `lockd` with its leases (on
 * unless switched off), or sanlock. Null: none does.
 */
export async function diskLocksOf(folder = configFolder): Promise<DiskLocks | null> {
  const read = (file: string) => readFile(`${folder}/${file}`, 'utf8').catch(() => '') // not there: libvirt's defaults
  const manager = configValue(await read('qemu.conf'), 'lock_manager')
  if (manager !== 'lockd' && manager !== 'sanlock') return null
  const own = await read(`qemu-${manager}.conf`)
  if (configValue(own, 'auto_disk_leases') === '0') return null
  return { folder: manager === 'lockd' ? (configValue(own, 'file_lockspace_dir') ?? null) : null }
}

/**
 * @param configured wins, whatever listens.
 * @returns null when libvirt does not listen with TLS on the address where others reach us: nobody can send us guests.
 */
export async function migrationUriOf(address: string, configured: string | null): Promise<string | null> {
  if (configured) return configured
  const loopback = address.startsWith('127.') || address === '::1'
  if (loopback || !(await listens(address))) return null
  return `qemu+tls://${address.includes(':') ? `[${address}]` : address}/system`
}

function listens(host: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port: tlsPort, timeout: dialMs })
    const done = (heard: boolean) => {
      socket.destroy()
      resolve(heard)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
  })
}
