/** The form of one desktop's hardware: its fields, what of them changed, and when that applies. Pure. */

import type { TFunction } from 'i18next'
import type { Desktop } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { formatList } from '../ui/format.ts'

type Hardware = Desktop['hardware']
const MiB = 2 ** 20
const GiB = 2 ** 30

/** What of it has a choice of kinds. */
export type KindValues = Pick<Hardware, 'video' | 'sound' | 'firmware' | 'diskBus'>

export interface HardwareValues extends KindValues {
  vcpus: number | string
  memoryMib: number | string
  /** Empty: the template's own. */
  diskGib: number | string
}

export const hardwareValues = ({ vcpus, memoryBytes, diskBytes, ...kinds }: Hardware): HardwareValues => ({
  vcpus,
  memoryMib: memoryBytes / MiB,
  diskGib: diskBytes === null ? '' : diskBytes / GiB,
  ...kinds,
})

/** The form's field for a field of the API. */
export const hardwareFields: Record<string, keyof HardwareValues> = {
  'hardware.vcpus': 'vcpus',
  'hardware.memoryBytes': 'memoryMib',
  'hardware.diskBytes': 'diskGib',
  'hardware.video': 'video',
  'hardware.sound': 'sound',
  'hardware.firmware': 'firmware',
  'hardware.diskBus': 'diskBus',
}

/** Which network a card is on. */
export const networkText = (t: TFunction, { mode, interface: name, vlan }: Desktop['nic']) =>
  [t(`networkMode.${mode}`), name, vlan === null ? null : `VLAN ${vlan}`].filter(Boolean).join(' · ')

/** Only what somebody changed: the rest may have been changed by somebody else meanwhile. */
export function hardwareChange(before: Hardware, values: HardwareValues): Partial<Hardware> {
  const { vcpus, memoryMib, diskGib, ...kinds } = values
  const wished = {
    vcpus: Number(vcpus),
    memoryBytes: Math.round(Number(memoryMib) * MiB),
    ...(diskGib !== '' && { diskBytes: Math.round(Number(diskGib) * GiB) }),
    ...kinds,
  }
  return Object.fromEntries(
    Object.entries(wished).filter(([name, value]) => value !== before[name as keyof Hardware]),
  ) as Partial<Hardware>
}

type Changed = keyof Hardware | 'cdrom' | 'bootDisc'
interface Applies {
  now: Changed[]
  nextStart: Changed[]
  why: { [K in Changed]?: string | undefined }
}

const wordsOf = (t: TFunction) =>
  ({
    vcpus: t('pools.form.vcpus'),
    memoryBytes: t('pools.form.memory'),
    diskBytes: t('templates.disk'),
    video: t('pools.form.video'),
    sound: t('pools.form.sound'),
    firmware: t('hardware.firmware'),
    diskBus: t('hardware.diskBus'),
    cdrom: t('making.disc'),
    bootDisc: t('making.bootFrom'),
  }) satisfies Record<Changed, string>

/** What was saved, in a line or two. */
export function appliesText(t: TFunction, applies: Applies): string {
  const lines = appliesLines(t, applies)
  return lines.length > 0 ? lines.join(' ') : t('desktops.hardwareSame')
}

/** What holds at once, what after the next start, and what waits for a reason of its own. */
export function appliesLines(t: TFunction, { now, nextStart, why }: Applies): string[] {
  const words = wordsOf(t)
  const list = (names: Changed[]) => formatList(names.map(name => words[name]))
  const plain = nextStart.filter(name => !why[name])
  return [
    now.length > 0 ? t('desktops.hardwareNow', { what: list(now) }) : '',
    plain.length > 0 ? t('desktops.hardwareNext', { what: list(plain) }) : '',
    ...nextStart.map(name =>
      why[name] ? t('desktops.hardwareNextWhy', { what: words[name], why: saidWord(why[name]) }) : '',
    ),
  ].filter(line => line !== '')
}
