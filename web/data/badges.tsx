/** How each noun's states look: one table per noun. */
import { useTranslation } from 'react-i18next'
import type { Look } from '../ui/look.ts'
import { StateBadge } from '../ui/StateBadge.tsx'
import type {
  Desktop,
  Dongle,
  Host,
  Move,
  Pool,
  Push,
  Task,
  TaskPart,
  TemplateVersion,
  VersionCopy,
  VersionExport,
} from './nouns.ts'

const desktopLooks = {
  making: 'busy',
  stopped: 'stopped',
  starting: 'busy',
  ready: 'running',
  paused: 'paused',
  stopping: 'busy',
  recycling: 'busy',
  removing: 'busy',
  failed: 'bad',
  unknown: 'unknown',
} satisfies Record<Desktop['phase'], Look>

const poolLooks = {
  ok: 'good',
  filling: 'busy',
  waiting: 'waiting',
  restrained: 'warn',
  disabled: 'stopped',
  removing: 'busy',
} satisfies Record<Pool['status'], Look>

const hostLooks = {
  online: 'good',
  suspect: 'warn',
  lost: 'bad',
  maintenance: 'maintenance',
  joining: 'busy',
} satisfies Record<Host['state'], Look>

const versionLooks = {
  uploading: 'waiting',
  making: 'busy',
  sealed: 'good',
  failed: 'bad',
} satisfies Record<TemplateVersion['state'], Look>

const copyLooks = {
  waiting: 'waiting',
  copying: 'busy',
  ready: 'good',
  failed: 'bad',
} satisfies Record<VersionCopy['state'], Look>

const exportLooks = {
  making: 'busy',
  ready: 'good',
  failed: 'bad',
} satisfies Record<VersionExport['state'], Look>

const taskLooks = {
  queued: 'waiting',
  running: 'busy',
  succeeded: 'good',
  failed: 'bad',
  cancelled: 'stopped',
} satisfies Record<Task['state'], Look>

const moveLooks = {
  queued: 'waiting',
  preparing: 'busy',
  moving: 'busy',
  done: 'good',
  failed: 'bad',
  cancelled: 'stopped',
} satisfies Record<Move['state'], Look>

const dongleLooks = {
  attached: 'good',
  waiting: 'waiting',
  missing: 'warn',
  inUse: 'bad',
  refused: 'bad',
  unknown: 'unknown',
} satisfies Record<NonNullable<Dongle['state']> | 'unknown', Look>

const pushLooks = {
  scheduled: 'waiting',
  running: 'busy',
  done: 'good',
  cancelled: 'stopped',
} satisfies Record<Push['state'], Look>

interface Size {
  size?: 'sm' | 'md'
}

export function DesktopBadge({ desktop, ...size }: { desktop: Desktop } & Size) {
  const { t } = useTranslation()
  if (desktop.saved) return <StateBadge look="paused" word={t('saved.word')} {...size} />
  return <StateBadge look={desktopLooks[desktop.phase]} word={t(`phase.${desktop.phase}`)} {...size} />
}

export function PoolBadge({ pool, ...size }: { pool: Pool } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={poolLooks[pool.status]} word={t(`poolStatus.${pool.status}`)} {...size} />
}

export function HostBadge({ host, ...size }: { host: Host } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={hostLooks[host.state]} word={t(`hostState.${host.state}`)} {...size} />
}

export function VersionBadge({ version, ...size }: { version: TemplateVersion } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={versionLooks[version.state]} word={t(`versionState.${version.state}`)} {...size} />
}

export function CopyBadge({ copy, ...size }: { copy: VersionCopy } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={copyLooks[copy.state]} word={t(`copyState.${copy.state}`)} {...size} />
}

export function DongleBadge({ dongle, ...size }: { dongle: Dongle } & Size) {
  const { t } = useTranslation()
  const state = dongle.state ?? 'unknown'
  return <StateBadge look={dongleLooks[state]} word={t(`dongleState.${state}`)} {...size} />
}

export function ExportBadge({ file, ...size }: { file: VersionExport } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={exportLooks[file.state]} word={t(`exportState.${file.state}`)} {...size} />
}

export function TaskBadge({ task, ...size }: { task: Task } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={taskLooks[task.state]} word={t(`taskState.${task.state}`)} {...size} />
}

const partLooks = { ...taskLooks, waiting: 'waiting', refused: 'bad' } satisfies Record<TaskPart['state'], Look>

export function TaskPartBadge({ state }: Pick<TaskPart, 'state'>) {
  const { t } = useTranslation()
  return <StateBadge look={partLooks[state]} word={t(`taskPartState.${state}`)} />
}

export function MoveBadge({ move, ...size }: { move: Move } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={moveLooks[move.state]} word={t(`moveState.${move.state}`)} {...size} />
}

export function PushBadge({ push, ...size }: { push: Push } & Size) {
  const { t } = useTranslation()
  return <StateBadge look={pushLooks[push.state]} word={t(`pushState.${push.state}`)} {...size} />
}
