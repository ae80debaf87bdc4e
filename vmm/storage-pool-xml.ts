/** What libvirt is told of storage pools and volumes. Pure. */
import { join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { type Xml, xml } from '../lib/xml.ts'
import type { MachineVolume, StoragePoolSpec, VolumeSpec } from './storage-spec.ts'

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const nameForm = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
const pathForm = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/
const hostForm = /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])$/
const monitorForm = /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?$/
const cephForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The mark of an installation, which the names of all its pools begin with. */
export const poolPrefix = (installationId: string) => `hdcs-${installationId.slice(0, 8)}-`

/** Names and paths go into XML, to libvirt and into file names: only these. @throws HdcsError `invalid`. */
export function checkPool({ id, name, source, target }: StoragePoolSpec): void {
  const wrong = (what: string) => new HdcsError('invalid', `The storage pool ${name} cannot be made: ${what}.`)
  if (!idForm.test(id)) throw wrong('its id is no UUID')
  if (source.type === 'rbd') {
    if (!cephForm.test(source.pool)) throw wrong('its Ceph pool’s name has strange letters')
    if (source.user !== null && !cephForm.test(source.user)) throw wrong('its Ceph user’s name has strange letters')
    if (source.monitors.length === 0 || !source.monitors.every(each => monitorForm.test(each)))
      throw wrong('its monitors are no host names or addresses, with or without a port')
    return
  }
  if (target === null || !pathForm.test(target)) throw wrong('its folder is no plain absolute path')
  if (source.type === 'netfs' && !hostForm.test(source.server)) throw wrong('its server is no host name or address')
  if (source.type === 'netfs' && !pathForm.test(source.path)) throw wrong('its path on the server is no plain path')
}

export function poolXml(pool: StoragePoolSpec, installationId: string): string {
  checkPool(pool)
  const { source, target, id } = pool
  return xml`<pool type='${source.type}'>
  <name>${poolPrefix(installationId)}${id}</name>
  <uuid>${id}</uuid>
  ${source.type === 'netfs' && xml`<source><host name='${source.server}'/><dir path='${source.path}'/><format type='nfs'/></source>`}
  ${
    source.type === 'rbd' &&
    xml`<source>
    ${source.monitors.map(monitorXml)}<name>${source.pool}</name>
    ${source.user !== null && authXml(source.user, id)}
  </source>`
  }
  ${target !== null && xml`<target><path>${target}</path></target>`}
</pool>`.xml
}

/**
 * Where a pool lies, of its definition as we or as libvirt write it: libvirt adds rights, figures and other quotes.
 * Equal texts: the same place.
 */
export function poolPlace(definition: string): string {
  const part = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(definition)?.[1] ?? ''
  const source = part('source')
  const values = (of: RegExp, text: string) =>
    [...text.matchAll(of)].map(([, value = '']) => value.replace(/"/g, "'").trim())
  const hosts = values(/<host\s+([^>]*?)\/?>/g, source)
  const [folder = ''] = values(/<dir\s+path=['"]([^'"]*)['"]/g, source)
  const [name = ''] = values(/<name>([^<]*)<\/name>/g, source)
  const [user = ''] = values(/<auth\s[^>]*username=['"]([^'"]*)['"]/g, source)
  const [target = ''] = values(/<path>([^<]*)<\/path>/g, part('target'))
  return JSON.stringify({ hosts, folder, name, user, target })
}

const authXml = (user: string, id: string): Xml =>
  xml`<auth type='ceph' username='${user}'><secret type='ceph' uuid='${id}'/></auth>`

function monitorXml(monitor: string): Xml {
  const [, name = monitor, port] = /^(.*?)(?::(\d+))?$/.exec(monitor) ?? []
  const bare = name.replace(/^\[|\]$/g, '')
  return port === undefined ? xml`<host name='${bare}'/>` : xml`<host name='${bare}' port='${port}'/>`
}

/** Where Ceph's key is kept by libvirt: ephemeral and private, so that it is on no disk and nobody can ask for it. */
export const secretXml = ({ id, name }: StoragePoolSpec): string =>
  xml`<secret ephemeral='yes' private='yes'>
  <uuid>${id}</uuid>
  <description>HDCS storage pool ${name}</description>
  <usage type='ceph'><name>hdcs ${id}</name></usage>
</secret>`.xml

/** Readable, and never the name of another volume. @throws HdcsError `invalid`. */
export function volumeFile({ id, name, format }: Pick<VolumeSpec, 'id' | 'name' | 'format'>): string {
  if (!idForm.test(id) || !nameForm.test(name))
    throw new HdcsError('invalid', `The volume ${name} cannot be made: its name has strange letters.`)
  return `${name}-${id}.${format === 'qcow2' ? 'qcow2' : 'raw'}`
}

/** Thin: what is not written takes no room. */
export const volumeXml = (volume: VolumeSpec, { source }: StoragePoolSpec): string =>
  xml`<volume>
  <name>${volumeFile(volume)}</name>
  <capacity unit='bytes'>${volume.sizeBytes}</capacity>
  <allocation unit='bytes'>0</allocation>
  ${
    source.type !== 'rbd' &&
    xml`<target><format type='${volume.format}'/><permissions><mode>0600</mode></permissions></target>`
  }
</volume>`.xml

const aliasPrefix = 'ua-volume-'
const letters = 'bcdefghi'
/** So many volumes a machine has at most, besides its own disk. */
export const volumesMost = letters.length

/** @throws HdcsError `invalid`. */
export function deviceOf({ slot }: Pick<MachineVolume, 'slot'>): string {
  const letter = letters[slot - 1]
  if (letter === undefined) throw new HdcsError('invalid', `A machine has ${volumesMost} volumes at most.`)
  return `vd${letter}`
}

/** What the guest finds the disk by: `/dev/disk/by-id/virtio-…`. virtio's limit is 20 letters; the id's last are random. */
export const serialOf = (id: string) => id.replaceAll('-', '').slice(-20)

/**
 * A volume as a disk of a domain, written so that the domain runs without a storage pool too. It is told apart by its
 * alias, which stays with it on all its ways.
 */
export function volumeDiskXml(volume: MachineVolume, pool: StoragePoolSpec): Xml {
  const { source, target, id } = pool
  const file = volumeFile(volume)
  const ends = xml`<backingStore/>
      <target dev='${deviceOf(volume)}' bus='virtio'/>
      <serial>${serialOf(volume.id)}</serial>
      <alias name='${aliasPrefix}${volume.id}'/>`
  const driver = xml`<driver name='qemu' type='${source.type === 'rbd' ? 'raw' : volume.format}' cache='writeback' discard='unmap' error_policy='enospace' rerror_policy='report'/>`
  if (source.type === 'rbd')
    return xml`<disk type='network' device='disk'>
      ${driver}
      ${source.user !== null && authXml(source.user, id)}
      <source protocol='rbd' name='${source.pool}/${file}'>${source.monitors.map(monitorXml)}</source>
      ${ends}
    </disk>`
  return xml`<disk type='file' device='disk'>
      ${driver}
      <source file='${join(target ?? '', file)}'/>
      ${ends}
    </disk>`
}

/** The volume that an alias names; null for any other device. */
export const volumeOfAlias = (alias: string | null | undefined): string | null =>
  alias?.startsWith(aliasPrefix) ? alias.slice(aliasPrefix.length) : null
export const aliasOf = (volumeId: string) => `${aliasPrefix}${volumeId}`
