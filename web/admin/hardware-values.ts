/** The form of one desktop's hardware: its fields, what of them changed, and when that applies. Pure. */
import type { TFunction } from 'i18next'
import type { Desktop } from '../data/nouns.ts'
import { formatList } from '../ui/format.ts'

type Hardware = Desktop['hardware']
const MiB = 2 ** 20
const GiB = 2 ** 30

export interface HardwareValues {
  vcpus: number | string
  memoryMib: number | string
  /** Empty: the template's own. */
  diskGib: number | string
}

export const hardwareValues = ({ vcpus, memoryBytes, diskBytes }: Hardware): HardwareValues => ({
  vcpus,
  memoryMib: memoryBytes / MiB,
  diskGib: diskBytes === null ? '' : diskBytes / GiB,
})

/** Only what somebody changed: the rest may have been changed by somebody else meanwhile. */
export function hardwareChange(before: Hardware, { vcpus, memoryMib, diskGib }: HardwareValues): Partial<Hardware> {
  const wished = {
    vcpus: Number(vcpus),
    memoryBytes: Math.round(Number(memoryMib) * MiB),
    ...(diskGib !== '' && { diskBytes: Math.round(Number(diskGib) * GiB) }),
  }
  return Object.fromEntries(
    Object.entries(wished).filter(([name, value]) => value !== before[name as keyof Hardware]),
  ) as Partial<Hardware>
}

interface Applies {
  now: (keyof Hardware)[]
  nextStart: (keyof Hardware)[]
}

export function appliesText(t: TFunction, { now, nextStart }: Applies): string {
  const words = {
    vcpus: t('pools.form.vcpus'),
    memoryBytes: t('pools.form.memory'),
    diskBytes: t('templates.disk'),
    video: t('pools.form.video'),
    sound: t('pools.form.sound'),
  } satisfies Record<keyof Hardware, string>
  const list = (names: (keyof Hardware)[]) => formatList(names.map(name => words[name]))
  const said = [
    now.length > 0 ? t('desktops.hardwareNow', { what: list(now) }) : '',
    nextStart.length > 0 ? t('desktops.hardwareNext', { what: list(nextStart) }) : '',
  ].filter(text => text !== '')
  return said.length > 0 ? said.join(' ') : t('desktops.hardwareSame')
}
