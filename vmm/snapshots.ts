/** The next step about a machine's snapshots: wished against found. Pure. */
import { type MachineDecision, type MachineFacts, take } from './decision.ts'
import type { FoundSnapshot } from './host.ts'
import type { SnapshotsReport, Trouble } from './report.ts'
import type { MachineSpec } from './spec.ts'

export type SnapshotStep =
  | { do: 'look at snapshots' }
  | { do: 'take snapshot' | 'remove snapshot'; snapshotId: string }
  | { do: 'revert'; snapshotId: string; revertId: string }

/** What is known of a machine's snapshots, in this process. */
export interface SnapshotsKnown {
  /** Null: not looked at since the disk may have changed hands. */
  found: (FoundSnapshot & { frozen: boolean | null })[] | null
  /** What was asked under this wish and could not be done, by the snapshot's or the revert's id. */
  failed: Record<string, Trouble>
  /** The revert that was done. */
  reverted: string | null
}

export const noSnapshots: SnapshotsKnown = { found: null, failed: {}, reverted: null }

/** Null: nothing to do about them. What failed waits for another wish. */
export function planSnapshots(
  spec: MachineSpec,
  { found, saved, snapshots = noSnapshots }: Pick<MachineFacts, 'found' | 'saved' | 'snapshots'>,
): MachineDecision | null {
  const wish = spec.snapshots
  // Whatever is written to the disk now makes the memory that waits over it worthless.
  if (!wish || saved) return null
  const { found: there, failed, reverted } = snapshots
  if (!there) return take({ do: 'look at snapshots' }, 'nobody looked which it has')
  const { revert } = wish
  if (revert && !found && reverted !== revert.id && !failed[revert.id])
    return take(
      { do: 'revert', snapshotId: revert.snapshotId, revertId: revert.id },
      'its disk shall be as it was then',
    )
  const has = (id: string) => there.some(one => one.id === id)
  const missing = wish.wished.find(({ id, made }) => !made && !has(id) && !failed[id])
  if (missing) return take({ do: 'take snapshot', snapshotId: missing.id }, 'it is wished')
  const extra = there.find(({ id }) => !failed[id] && !wish.wished.some(one => one.id === id))
  return extra ? take({ do: 'remove snapshot', snapshotId: extra.id }, 'it is not wished any more') : null
}

export function snapshotsReport(
  spec: MachineSpec | null,
  { found, failed, reverted }: SnapshotsKnown = noSnapshots,
): { snapshots?: SnapshotsReport } {
  if (!spec?.snapshots || !found) return {}
  return { snapshots: { found, failed: Object.entries(failed).map(([id, trouble]) => ({ id, trouble })), reverted } }
}
