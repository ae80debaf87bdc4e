/** Template versions as files to take away: migrations/0020. */
import type { Generated } from 'kysely'
import type { JsonOrNull, TroubleValue } from './schema.ts'

export const exportFormats = ['hdcs', 'ova', 'qcow2', 'raw', 'vmdk'] as const
export type ExportFormat = (typeof exportFormats)[number]
export type ExportState = 'making' | 'ready' | 'failed'

export interface ExportTable {
  id: string
  version_id: string
  format: ExportFormat
  /** Null: none is online that has the image. */
  host_id: string | null
  state: Generated<ExportState>
  progress: Generated<number>
  text: Generated<string>
  size_bytes: number | null
  sha256: string | null
  trouble: JsonOrNull<TroubleValue>
  expires_at: Date | null
  created_at: Generated<Date>
}
