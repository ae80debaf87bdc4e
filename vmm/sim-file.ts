/**
 * A simulated storage that outlives its process, as a real host's folder does: images and overlays in one small file.
 * Machines and who has which disk open are not in it: they end with the process, as in a power cut.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { pause } from '../lib/clock.ts'
import { HdcsError } from '../lib/errors.ts'
import { fileCommit } from './folders.ts'
import { makeSimStorage, overlayKey, type SimStorage } from './sim-storage.ts'

/** Strict: what another version put in would be lost at the next write. */
const keptSchema = z.strictObject({
  format: z.literal(1),
  installationId: z.string(),
  storageId: z.string(),
  images: z.array(
    z.strictObject({ id: z.string(), virtualBytes: z.number(), storedBytes: z.number(), sha256: z.string() }),
  ),
  overlays: z.array(
    z.strictObject({
      machineId: z.string(),
      incarnation: z.number(),
      imageId: z.string(),
      content: z.string(),
      moveId: z.string().nullable(),
      sizeBytes: z.int().optional(),
      snapshots: z
        .array(z.strictObject({ id: z.string(), takenAt: z.string(), diskBytes: z.int(), content: z.string() }))
        .optional(),
      memory: z
        .strictObject({
          bytes: z.int(),
          savedAt: z.string(),
          agentConnected: z.boolean(),
          hardware: z.record(z.enum(['vcpus', 'memoryBytes', 'maxVcpus', 'maxMemoryBytes']), z.int()).optional(),
        })
        .optional(),
    }),
  ),
  volumes: z
    .array(z.strictObject({ id: z.string(), poolId: z.string(), sizeBytes: z.number(), storedBytes: z.number() }))
    .optional(),
})
type Kept = z.infer<typeof keptSchema>

/** For what comes at nearly the same time. Shorter: an agent's four disks at a time take two writes; longer: each waits. */
const gatherMs = 3

/**
 * What the file holds, or a new storage where there is none yet. The caller keeps other processes away from it.
 * An answer waits for the write that has it, so it is never taken back; changes during a write share the next one, so
 * that a thousand at once cost few.
 * @param write replaces the file, or leaves it as it was.
 * @throws HdcsError `invalid` when it is not whole, `conflict` when it is another installation's; it is left as it is.
 */
export async function openSimStorage(file: string, installationId: string, write = fileReplace): Promise<SimStorage> {
  const kept = await read(file)
  if (kept && kept.installationId !== installationId)
    throw new HdcsError(
      'conflict',
      `${file} holds the simulated desktops of another HDCS installation: choose another folder with HDCS_DATA_DIR.`,
    )
  const storage = makeSimStorage(kept?.storageId)
  const { images, overlays, volumes } = storage
  for (const image of kept?.images ?? []) images.set(image.id, image)
  for (const overlay of kept?.overlays ?? []) overlays.set(overlayKey(overlay), overlay)

  for (const { id, poolId, ...volume } of kept?.volumes ?? [])
    volumes.set(poolId, (volumes.get(poolId) ?? new Map()).set(id, volume))
  const volumesKept = () =>
    [...volumes].flatMap(([poolId, held]) => [...held].map(([id, volume]) => ({ id, poolId, ...volume })))

  const state = (): Kept => ({
    format: 1,
    installationId,
    storageId: storage.id,
    images: [...images.values()],
    overlays: [...overlays.values()],
    // Absent as long as there are none: versions that know of none read it then.
    ...(volumes.size > 0 && { volumes: volumesKept() }),
  })
  let written = kept ? JSON.stringify(state()) : ''
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | null = null
  const keep = () => {
    next ??= last.then(async () => {
      await pause(gatherMs)
      next = null
      const text = JSON.stringify(state())
      if (text === written) return
      await write(file, text)
      written = text
    })
    last = next.catch(() => {}) // whoever waits for it is told; the next write has it too
    return next
  }
  // Its id is known before anybody is told of it, and a folder that cannot be written in is found now.
  await keep()
  return { ...storage, keep }
}

async function read(file: string): Promise<Kept | null> {
  const text = await readFile(file, 'utf8').catch(error => {
    if (error.code !== 'ENOENT') throw error
    return null
  })
  if (text === null) return null
  try {
    return keptSchema.parse(JSON.parse(text))
  } catch (cause) {
    const wayOut = 'Put a whole copy of it back, or move it away to begin without the disks that were in it.'
    throw new HdcsError(
      'invalid',
      `${file} is broken or of another version, and holds the disks of a simulated host. ${wayOut}`,
      { cause },
    )
  }
}

/** One process has the file and writes it one after the other: what a killed one left half written, the next replaces. */
async function fileReplace(file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.part`, text)
    await fileCommit(`${file}.part`, file)
  } catch (cause) {
    throw new HdcsError(
      'internal',
      `The simulated host cannot keep its disks in ${file}: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
