/** A pool as its form holds it, and back. Pure: the words stand in the message files. */
import type { Ask } from '../../api/client.ts'
import { hardwareDefaults } from '../../lib/hardware.ts'
import type { Pool, Template } from '../data/nouns.ts'
import type { KindValues } from './hardware-values.ts'
import { type CustomiseValues, customiseBody, customiseOfTemplate, customiseValues } from './pool-customise-values.ts'

export interface PoolValues extends KindValues {
  name: string
  description: string
  kind: Pool['kind']
  templateId: string
  /** `newest`, or a number as text: what a select holds. */
  templateVersion: string
  minSize: number | string
  maxSize: number | string
  warm: number | string
  cold: number | string
  maxPerUser: number | string
  vcpus: number | string
  memoryMib: number | string
  enabled: boolean
  /** Empty: any cluster. */
  clusterIds: string[]
  /** `cluster`: as each cluster does. */
  placement: NonNullable<Pool['placement']> | 'cluster'
  affinity: Pool['affinity']
  needs: string[]
  ha: Pool['ha']
  mode: Pool['network']['mode']
  interface: string
  /** Empty: none. */
  vlan: number | string
  neighbours: boolean
  allow: AllowValues[]
  customise: CustomiseValues
}

/** One line of the allow-list as its three boxes hold it. */
export interface AllowValues {
  cidr: string
  protocol: 'any' | 'tcp' | 'udp' | 'icmp'
  ports: string
}

const MiB = 2 ** 20

/** Defaults that work: one warm desktop, ten at most. */
export function emptyPool(templates: readonly Template[], wantedId?: string): PoolValues {
  const usable = (template: Template) => template.versions.some(version => version.state === 'sealed')
  const template = templates.find(({ id }) => id === wantedId) ?? templates.find(usable) ?? templates[0]
  return {
    name: '',
    description: '',
    kind: 'floating',
    templateId: template?.id ?? '',
    templateVersion: 'newest',
    minSize: 0,
    maxSize: 10,
    warm: 1,
    cold: 0,
    maxPerUser: 1,
    vcpus: template?.hardware.vcpus ?? 1,
    memoryMib: (template?.hardware.memoryBytes ?? 1024 * MiB) / MiB,
    video: template?.hardware.video ?? 'virtio',
    sound: template?.hardware.sound ?? false,
    firmware: template?.hardware.firmware ?? hardwareDefaults.firmware,
    diskBus: template?.hardware.diskBus ?? hardwareDefaults.diskBus,
    enabled: true,
    clusterIds: [],
    placement: 'cluster',
    affinity: 'none',
    needs: [],
    ha: 'restart',
    mode: 'nat',
    interface: '',
    vlan: '',
    neighbours: false,
    allow: [],
    customise: customiseOfTemplate(template),
  }
}

export const valuesOf = (pool: Pool): PoolValues => ({
  name: pool.name,
  description: pool.description,
  kind: pool.kind,
  templateId: pool.templateId,
  templateVersion: pool.templateVersion === null ? 'newest' : String(pool.templateVersion),
  minSize: pool.minSize,
  maxSize: pool.maxSize,
  warm: pool.warm,
  cold: pool.cold,
  maxPerUser: pool.maxPerUser,
  vcpus: pool.hardware.vcpus,
  memoryMib: pool.hardware.memoryBytes / MiB,
  video: pool.hardware.video,
  sound: pool.hardware.sound,
  firmware: pool.hardware.firmware,
  diskBus: pool.hardware.diskBus,
  enabled: pool.enabled,
  clusterIds: pool.clusterIds,
  placement: pool.placement ?? 'cluster',
  affinity: pool.affinity,
  needs: pool.needs,
  ha: pool.ha,
  mode: pool.network.mode,
  interface: pool.network.interface ?? '',
  vlan: pool.network.vlan ?? '',
  neighbours: pool.network.neighbours ?? false,
  allow: (pool.network.allow ?? []).map(({ cidr, protocol, ports }) => ({
    cidr,
    protocol: protocol ?? 'any',
    ports: ports ?? '',
  })),
  customise: customiseValues(pool.customise),
})

/** Whether the part that is folded away says anything that a new pool's does not. */
export const placedSpecially = (values: PoolValues): boolean =>
  values.clusterIds.length > 0 ||
  values.placement !== 'cluster' ||
  values.affinity !== 'none' ||
  values.needs.length > 0 ||
  values.ha !== 'restart' ||
  values.mode !== 'nat' ||
  values.neighbours ||
  values.allow.length > 0

import { nameForm } from './name-form.ts'

const whole = (value: number | string, least: number) =>
  value !== '' && Number.isInteger(Number(value)) && Number(value) >= least

const cidrForm = /^[0-9a-fA-F.:]+(\/\d{1,3})?$/
const portsForm = /^\d{1,5}(-\d{1,5})?(\s*,\s*\d{1,5}(-\d{1,5})?)*$/

/** Field → message key of what is wrong with it; lines of the allow-list by their place. Empty: nothing. */
export function wrongIn(values: PoolValues) {
  const wrong: { [K in keyof PoolValues | AllowField | DomainField]?: PoolWrong } = {}
  if (!values.name) wrong.name = 'pools.form.nameMissing'
  else if (!nameForm.test(values.name)) wrong.name = 'pools.form.nameBad'
  if (!values.templateId) wrong.templateId = 'pools.form.templateMissing'
  for (const field of ['minSize', 'maxSize', 'warm', 'cold'] as const)
    if (!whole(values[field], 0)) wrong[field] = 'pools.form.wholeNumber'
  for (const field of ['maxPerUser', 'vcpus', 'memoryMib'] as const)
    if (!whole(values[field], 1)) wrong[field] = 'pools.form.atLeastOne'
  if (!wrong.maxSize && !wrong.minSize && Number(values.maxSize) < Number(values.minSize))
    wrong.maxSize = 'pools.form.maxLess'
  if (values.mode === 'bridge' && !values.interface.trim()) wrong.interface = 'pools.form.interfaceMissing'
  if (values.mode === 'bridge' && values.vlan !== '' && !(whole(values.vlan, 1) && Number(values.vlan) <= 4094))
    wrong.vlan = 'pools.form.vlanBad'
  for (const [index, { cidr, protocol, ports }] of values.allow.entries()) {
    if (!cidrForm.test(cidr.trim())) wrong[`allow.${index}.cidr`] = 'pools.form.cidrBad'
    if (hasPorts(protocol) && ports.trim() && !portsForm.test(ports.trim()))
      wrong[`allow.${index}.ports`] = 'pools.form.portsBad'
  }
  const { joins, domain, passwordSet } = values.customise
  if (joins && !domain.name.trim()) wrong['customise.domain.name'] = 'pools.form.domainMissing'
  if (joins && !domain.user.trim()) wrong['customise.domain.user'] = 'pools.form.domainUserMissing'
  if (joins && !domain.password && !passwordSet) wrong['customise.domain.password'] = 'pools.form.domainPasswordMissing'
  return wrong
}
type AllowField = `allow.${number}.${'cidr' | 'ports'}`
type DomainField = `customise.domain.${'name' | 'user' | 'password'}`
type PoolWrong =
  `pools.form.${'nameMissing' | 'nameBad' | 'templateMissing' | 'wholeNumber' | 'atLeastOne' | 'maxLess' | 'interfaceMissing' | 'vlanBad' | 'cidrBad' | 'portsBad' | 'domainMissing' | 'domainUserMissing' | 'domainPasswordMissing'}`

export const hasPorts = (protocol: AllowValues['protocol']) => protocol === 'tcp' || protocol === 'udp'

export const updateBody = (values: PoolValues): Ask<'poolUpdate'>['body'] => ({
  name: values.name,
  description: values.description,
  templateVersion: values.templateVersion === 'newest' ? null : Number(values.templateVersion),
  minSize: Number(values.minSize),
  maxSize: Number(values.maxSize),
  warm: Number(values.warm),
  cold: Number(values.cold),
  maxPerUser: Number(values.maxPerUser),
  hardware: {
    vcpus: Number(values.vcpus),
    memoryBytes: Number(values.memoryMib) * MiB,
    video: values.video,
    sound: values.sound,
    firmware: values.firmware,
    diskBus: values.diskBus,
  },
  enabled: values.enabled,
  clusterIds: values.clusterIds,
  placement: values.placement === 'cluster' ? null : values.placement,
  affinity: values.affinity,
  needs: values.needs,
  ha: values.ha,
  network: networkOf(values),
  customise: customiseBody(values.customise),
})

/** Whether desktops of such a pool may see each other on our own bridges: an exam's never do. */
export const hasNeighbours = (mode: Pool['network']['mode']) => mode === 'nat' || mode === 'routed'

/** What a network does, as message keys; neighbours on a network of the site are the site's to say. */
export const networkTold = ({ mode, neighbours }: Pool['network']) =>
  ({
    neighbours: mode === 'bridge' ? undefined : hasNeighbours(mode) && neighbours ? 'common.on' : 'common.off',
    unlisted: mode === 'isolated' ? 'pools.allowNothing' : 'pools.allowAll',
  }) as const

/** What does not go with the mode is not sent: an interface belongs to `bridge`, neighbours to `nat` and `routed`. */
function networkOf(values: PoolValues): Pool['network'] {
  const allow = values.allow.map(({ cidr, protocol, ports }) => ({
    cidr: cidr.trim(),
    ...(protocol !== 'any' && { protocol }),
    ...(hasPorts(protocol) && ports.trim() && { ports: ports.replaceAll(' ', '') }),
  }))
  return {
    mode: values.mode,
    ...(values.mode === 'bridge'
      ? { interface: values.interface.trim(), ...(values.vlan !== '' && { vlan: Number(values.vlan) }) }
      : hasNeighbours(values.mode) && { neighbours: values.neighbours }),
    ...(allow.length > 0 && { allow }),
  }
}

export const createBody = (values: PoolValues): Ask<'poolCreate'>['body'] => ({
  ...updateBody(values),
  name: values.name,
  kind: values.kind,
  templateId: values.templateId,
})

/** What decides where its desktops would go, before the pool is there or changed. */
export function dryRunBody(values: PoolValues): Omit<Ask<'placementDryRun'>['body'], 'count'> {
  const { hardware, clusterIds, needs, network, placement } = updateBody(values) ?? {}
  return {
    templateId: values.templateId,
    ...(hardware && { hardware }),
    ...(clusterIds && { clusterIds }),
    ...(needs && { needs }),
    ...(network && { network }),
    ...(placement && { placement }),
    priority: 'prewarm',
  }
}

/** The form's field for a field of the API, where the server's own words belong. */
export function fieldOf(path: string): string {
  const renamed: Record<string, keyof PoolValues> = {
    'hardware.vcpus': 'vcpus',
    'hardware.memoryBytes': 'memoryMib',
    'hardware.video': 'video',
    'hardware.sound': 'sound',
    'hardware.firmware': 'firmware',
    'hardware.diskBus': 'diskBus',
    'network.mode': 'mode',
    'network.interface': 'interface',
    'network.vlan': 'vlan',
    'network.neighbours': 'neighbours',
  }
  return renamed[path] ?? path.replace(/^network\.allow\b/, 'allow')
}
