/**
 * Where the partitions of a raw disk begin: MBR (with its logical ones) and GPT (UEFI specification 2.10, chapter 5). The table
 * was written by a guest: every number in it is checked against the disk before anything is read there.
 */

export interface Partition {
  startBytes: number
  sizeBytes: number
}

/** Answers fewer bytes at the end of the disk. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>

const sectorBytes = 512
const gptProtective = 0xee
/** Of partitions that hold further tables. */
const extended = [0x05, 0x0f, 0x85]
/** Each table of the chain names the next: one made by a guest may name itself. */
const mostLogical = 60
/** A table may claim to have four thousand million entries. */
const mostEntries = 128

/** In the order of the table; the whole disk as one where it has no table. */
export async function partitionsOf(read: ReadAt, diskBytes: number): Promise<Partition[]> {
  const first = await read(0, sectorBytes)
  if (first.length < sectorBytes || first.readUInt16LE(510) !== 0xaa55) return [{ startBytes: 0, sizeBytes: diskBytes }]
  const entries = [0, 1, 2, 3].map(n => first.subarray(446 + 16 * n, 462 + 16 * n))
  const found = entries.some(entry => entry[4] === gptProtective)
    ? await gptEntries(read)
    : [...entries.map(mbrEntry), ...(await logical(read, entries))]
  return found
    .map(({ start, sectors }) => ({ startBytes: start * sectorBytes, sizeBytes: sectors * sectorBytes }))
    .filter(({ startBytes, sizeBytes }) => startBytes > 0 && sizeBytes > 0 && startBytes + sizeBytes <= diskBytes)
}

const mbrEntry = (entry: Buffer) => ({ start: entry.readUInt32LE(8), sectors: entry.readUInt32LE(12) })

/** A chain of tables: the first entry lies behind its own table, the second says where the next is in the whole. */
async function logical(read: ReadAt, entries: readonly Buffer[]): Promise<{ start: number; sectors: number }[]> {
  const whole = entries.find(entry => extended.includes(entry[4] ?? 0))
  if (!whole) return []
  const first = mbrEntry(whole).start
  const found: { start: number; sectors: number }[] = []
  for (let at = first; found.length < mostLogical; ) {
    const table = await read(at * sectorBytes, sectorBytes)
    if (table.length < sectorBytes || table.readUInt16LE(510) !== 0xaa55) break
    const entry = mbrEntry(table.subarray(446, 462))
    found.push({ start: at + entry.start, sectors: entry.sectors })
    const next = mbrEntry(table.subarray(462, 478)).start
    if (next === 0) break
    at = first + next
  }
  return found
}

async function gptEntries(read: ReadAt): Promise<{ start: number; sectors: number }[]> {
  const header = await read(sectorBytes, sectorBytes)
  if (header.length < sectorBytes || header.toString('latin1', 0, 8) !== 'EFI PART') return []
  const [tableAt, count, entryBytes] = [header.readBigUInt64LE(72), header.readUInt32LE(80), header.readUInt32LE(84)]
  if (entryBytes < 128 || entryBytes > 4096 || tableAt > 2n ** 40n) return []
  const table = await read(Number(tableAt) * sectorBytes, Math.min(count, mostEntries) * entryBytes)
  return Array.from({ length: Math.floor(table.length / entryBytes) }, (_, n) => {
    const entry = table.subarray(n * entryBytes, (n + 1) * entryBytes)
    // An entry without a type is empty; the last sector belongs to it.
    const used = entry.subarray(0, 16).some(byte => byte !== 0)
    const [start, end] = [Number(entry.readBigUInt64LE(32)), Number(entry.readBigUInt64LE(40))]
    return used ? { start, sectors: end - start + 1 } : { start: 0, sectors: 0 }
  })
}
