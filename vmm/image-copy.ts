/**
 * A sealed image of another host, byte for byte. What came lies beside the image's place (`<id>.qcow2.copy`) and gets the
 * image's name when all of it is there (arriving.ts).
 */
import { readdir, rm } from 'node:fs/promises'
import { HdcsError } from '../lib/errors.ts'
import { type ArrivalWork, type ArrivingFile, fileArrive } from './arriving.ts'
import { imagePath } from './disks.ts'
import type { Folders } from './folders.ts'
import type { HostOptions } from './host.ts'
import type { ImageSource } from './spec.ts'

type Copy = Extract<ImageSource, { kind: 'copy' }>

/** What came of a copy, the mark of who makes it, or its note (image-store.ts). */
const besideName = /^(?<id>[0-9a-f-]{36})(?:\.qcow2\.(?:copy|making)|\.json)$/

export const copyPath = (folders: Folders, imageId: string) => `${imagePath(folders, imageId)}.copy`

/** Images of which something is there that is of no use any more: of one that is not wished, or beside one that is here. */
export async function leftOvers(folders: Folders, wished: ReadonlySet<string>): Promise<string[]> {
  const names = new Set(await readdir(folders.images))
  const ids = new Set([...names].flatMap(name => besideName.exec(name)?.groups?.id ?? []))
  return [...ids].filter(id =>
    names.has(`${id}.qcow2`) ? ['copy', 'making'].some(end => names.has(`${id}.qcow2.${end}`)) : !wished.has(id),
  )
}

/**
 * Fetches what is still to come. What came stays when it fails, except when it cannot be the image.
 * @throws HdcsError as `fileArrive`; `unsupported` on a host without a certificate; `invalid` when the checksum was wrong twice.
 */
export const copyImage =
  (folders: Folders, fetchCopy: HostOptions['fetchCopy']) =>
  async ({ urls, ...source }: Copy, work: ArrivalWork): Promise<void> => {
    if (!fetchCopy)
      throw new HdcsError(
        'unsupported',
        'This host has no certificate of the installation: no other host sends it images.',
      )
    const from = urls.map(url => ({
      name: new URL(url).host,
      open: (fromByte: number, signal: AbortSignal) => fetchCopy(url, fromByte, signal),
    }))
    const wrong =
      'The image’s checksum is not the one it was made with, twice: look at the storage of the host it comes from.'
    await arriveOrAnew(folders, { ...source, from }, work, wrong)
  }

/** What came may be damaged, or one of those who give it may be: once more from the beginning, from another one if there is one. */
export async function arriveOrAnew(
  folders: Folders,
  source: ArrivingFile,
  work: ArrivalWork,
  wrong: string,
): Promise<void> {
  const [first, ...others] = source.from
  for (const from of [source.from, first === undefined ? [] : [...others, first]]) {
    if (await fileArrive(folders, { ...source, from }, work)) return
    await rm(work.out, { force: true })
  }
  throw new HdcsError('invalid', wrong)
}
