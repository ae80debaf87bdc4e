/**
 * Files that leave a simulated host: small, of the right shape, with a disk that holds nothing. One of an image named
 * …fail-export… is never made (`storage_full`).
 */
import { HdcsError } from '../lib/errors.ts'
import { manifestName } from '../lib/template-file.ts'
import type { FoundImage, HostOptions, Progress } from './host.ts'
import { archive, manifestOf, outFile, type Piece, sendOut } from './image-export.ts'
import { ovfWrite } from './ovf.ts'
import type { SimStorage } from './sim-storage.ts'
import type { ImageSource, ImageSpec } from './spec.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

export async function simExport(
  { images }: Pick<SimStorage, 'images'>,
  {
    image,
    source,
    delay,
  }: { image: ImageSpec; source: Extract<ImageSource, { kind: 'export' }>; delay: () => Promise<void> },
  sendExport: HostOptions['sendExport'],
  progress: Progress,
  signal: AbortSignal,
): Promise<FoundImage> {
  if (!sendExport) throw new HdcsError('unsupported', 'This host cannot send files to the control plane: update it.')
  const sealed = images.get(source.imageId)
  if (!sealed) throw new HdcsError('not_found', 'The image is not on this host any more: export it again.')
  progress(0, 'converting the image')
  await delay()
  if (image.name.includes('fail-export'))
    throw new HdcsError('storage_full', 'No space for the file, as its name asked. Rename it and try again.')
  const file = await outFile(piecesOf(source, sealed), signal)
  await sendOut(sendExport, image.id, file, progress, signal)
  return { ...sealed, id: image.id, storedBytes: file.sizeBytes, sha256: file.sha256 }
}

function piecesOf({ format, about }: Extract<ImageSource, { kind: 'export' }>, sealed: FoundImage): Piece[] {
  const disk = bytes(`a disk of ${sealed.id}\n`)
  const { virtualBytes, sha256 } = sealed
  const sizeBytes = disk.length
  if (format === 'hdcs') {
    const manifest = bytes(JSON.stringify(manifestOf(about, { virtualBytes, sizeBytes, sha256 })))
    return archive(about, [
      [manifestName, manifest],
      ['disk.qcow2', disk],
    ])
  }
  if (format !== 'ova') return [disk]
  const name = `${about.name}-disk1.vmdk`
  return archive(about, [
    [`${about.name}.ovf`, bytes(ovfWrite(about, { name, sizeBytes, virtualBytes }))],
    [name, disk],
  ])
}
