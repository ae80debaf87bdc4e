/**
 * Which snapshots a qcow2 file holds, read from its table (qcow2 specification: at 60 of the header how many, at 64
 * where; all big-endian). QEMU may have the file open meanwhile: it writes a new table first, then the header.
 */
import { open } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'

export interface Qcow2Snapshot {
  name: string
  takenAt: Date
  /** Virtual size of the disk then. */
  diskBytes: number
}

/** A broken file says anything. */
const mostSnapshots = 10_000
const entryBytes = 40

export async function qcow2Snapshots(path: string): Promise<Qcow2Snapshot[]> {
  await using file = await open(path, 'r')
  const header = Buffer.alloc(72)
  await file.read(header, 0, header.length, 0)
  if (header.readUInt32BE(0) !== 0x514649fb) throw new HdcsError('invalid', `${path} is no qcow2 image.`)
  const count = header.readUInt32BE(60)
  if (count > mostSnapshots) throw new HdcsError('invalid', `${path} says that it has ${count} snapshots.`)
  const snapshots: Qcow2Snapshot[] = []
  let at = Number(header.readBigUInt64BE(64))
  for (let index = 0; index < count; index++) {
    const entry = Buffer.alloc(entryBytes)
    await file.read(entry, 0, entryBytes, at)
    const [idBytes, nameBytes, extraBytes] = [entry.readUInt16BE(12), entry.readUInt16BE(14), entry.readUInt32BE(36)]
    if (extraBytes > 1024) throw new HdcsError('invalid', `${path} has a broken table of snapshots.`)
    const rest = Buffer.alloc(extraBytes + idBytes + nameBytes)
    await file.read(rest, 0, rest.length, at + entryBytes)
    snapshots.push({
      name: rest.toString('utf8', extraBytes + idBytes),
      takenAt: new Date(entry.readUInt32BE(16) * 1000),
      // Older tables lack it: then it is the disk's of today.
      diskBytes: Number(extraBytes >= 16 ? rest.readBigUInt64BE(8) : header.readBigUInt64BE(24)),
    })
    at += Math.ceil((entryBytes + rest.length) / 8) * 8
  }
  return snapshots
}
