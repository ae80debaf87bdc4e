/** What a file says of itself before it is uploaded: name, notes and hardware for the template that it becomes. Pure. */
import type { HardwareValue } from '../db/schema.ts'
import { type HardwareKinds, hardwareFull } from '../lib/hardware.ts'
import { rawRemark } from '../lib/image-format.ts'
import type { Ovf } from '../lib/ovf.ts'
import { fileHead } from '../lib/template-file.ts'
import { recipeHardware } from './templates.ts'

const MiB = 2 ** 20
/** What a template may have (api/hardware.ts): a foreign machine beyond is proposed at the limit. */
const most = { vcpus: 64, memoryBytes: 2 ** 40 }
const leastMemoryBytes = 64 * MiB

export interface FileProposal {
  /** `image`: the bare disk, of which nothing is known. */
  kind: 'hdcs' | 'ova' | 'image'
  /** As a template may be called; null where nothing of it can be kept. */
  name: string | null
  description: string
  notes: string
  /** Of our own files: the number that the version had. */
  number: number | null
  hardware: (HardwareValue & HardwareKinds) | null
  readyWhen: 'agent' | 'running' | null
  virtualBytes: number | null
  /** What will not be as it was, or looks wrong. */
  remarks: string[]
}

/** @throws HdcsError `invalid`, `unsupported` for a file that an import would refuse by what it says of itself. */
export function fileProposal(head: Uint8Array): FileProposal {
  const read = fileHead(head)
  if (read.kind === 'hdcs') {
    const { template, version, disk } = read.manifest
    return {
      kind: 'hdcs',
      name: nameOf(template.name),
      description: seen(template.description),
      notes: seen(version.notes),
      number: version.number,
      hardware: template.hardware,
      readyWhen: template.readyWhen,
      virtualBytes: disk.virtualBytes,
      remarks: [],
    }
  }
  if (read.kind === 'ova')
    return {
      kind: 'ova',
      name: nameOf(read.ovf.name),
      description: seen(read.ovf.description),
      notes: '',
      number: null,
      hardware: hardwareOf(read.ovf),
      // Whether its guest has our agent is not known.
      readyWhen: 'running',
      virtualBytes: read.ovf.disk.capacityBytes,
      remarks: read.ovf.notes,
    }
  const nothing = { name: null, description: '', notes: '', number: null, hardware: null, readyWhen: null }
  return { kind: 'image', ...nothing, virtualBytes: null, remarks: [rawRemark(head) ?? []].flat() }
}

/** Without the control characters that no description may hold, so that one that came in a file is taken. */
const seen = (text: string) => text.replaceAll('\r\n', '\n').replace(/[^\P{Cc}\n\t]/gu, '')

function hardwareOf({ vcpus, memoryBytes, sound, firmware, diskBus }: Ovf) {
  const usual = recipeHardware.upload
  const memory = Math.max(leastMemoryBytes, Math.min(most.memoryBytes, memoryBytes ?? usual.memoryBytes))
  return hardwareFull({
    ...usual,
    vcpus: Math.min(most.vcpus, vcpus ?? usual.vcpus),
    memoryBytes: memory,
    sound,
    firmware,
    diskBus: diskBus ?? undefined,
  })
}

/** `Win 10 (old)` → `win-10-old`. */
function nameOf(text: string): string | null {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return plain.slice(0, 40).replace(/^-+|-+$/g, '') || null
}
