/**
 * UEFI for guests: OVMF of the Debian package `ovmf`. Its code alone, without a file for settings: what a system writes into
 * them is gone at the next start, so a disk is all there is to clone, move, snapshot or seal. It starts by the order of the
 * domain's devices and, of a disk, `\EFI\BOOT\BOOTX64.EFI` (UEFI specification 2.10, 3.5.1.1).
 */
import { HdcsError } from '../lib/errors.ts'
import { type Xml, xml } from '../lib/xml.ts'
import { exists } from './disks.ts'

/** The second: of distributions whose package has the smaller build alone. */
const ovmfFiles = ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_CODE.fd']

/** @returns null: it is not installed. Looked for anew each time: it may be installed while we run. */
export async function ovmfFile(files: readonly string[] = ovmfFiles): Promise<string | null> {
  for (const file of files) if (await exists(file)) return file
  return null
}

/** @throws HdcsError `unsupported` where it is not installed, with what to do. */
export async function ovmfNeeded(files?: readonly string[]): Promise<string> {
  const file = await ovmfFile(files)
  if (file !== null) return file
  throw new HdcsError(
    'unsupported',
    'The machine shall start by UEFI, and this host has no firmware for that: install the Debian package ovmf there (apt-get install ovmf), then start it again.',
  )
}

/** Read-only and stateless: QEMU keeps the settings in the guest's memory. */
export const loaderXml = (file: string): Xml =>
  xml`<loader readonly='yes' type='pflash' stateless='yes'>${file}</loader>`
