/** libvirt's objects as they stand on the wire (remote_protocol.x of libvirt 9.0), and its closed lists of states. */
import { HdcsError } from '../../lib/errors.ts'
import {
  type Codec,
  flag,
  hyper,
  int,
  list,
  named,
  optional,
  struct,
  text,
  uhyper,
  uint,
  uuid,
  type ValueOf,
} from './codec.ts'
import type { XdrReader, XdrWriter } from './xdr.ts'

/** libvirt finds a domain by its uuid alone; `id` is -1 while it does not run. */
export const domain = struct({ name: text, uuid, id: int })
export type DomainRef = ValueOf<typeof domain>

export const network = struct({ name: text, uuid })
export type NetworkRef = ValueOf<typeof network>

export const storagePool = struct({ name: text, uuid })
export type StoragePoolRef = ValueOf<typeof storagePool>

export const secret = struct({ uuid, usageType: int, usageId: text })

/** `key` is the path for pools made of files. */
export const storageVolume = struct({ pool: text, name: text, key: text })

export const domainState = named([
  'nostate',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'pmsuspended',
])

export const storagePoolState = named(['inactive', 'building', 'running', 'degraded', 'inaccessible'])

/** Why `VIR_ERR_*` came, as libvirtd says it. */
export const remoteError = struct({
  code: int,
  domain: int,
  message: optional(text),
  level: int,
  dom: optional(domain),
  str1: optional(text),
  str2: optional(text),
  str3: optional(text),
  int1: int,
  int2: int,
  net: optional(network),
})

/** The CPU model is a C array of 32 chars, and XDR spends four bytes on each. */
export const cpuModel: Codec<string> = {
  write(writer, value) {
    for (let index = 0; index < 32; index++) writer.int(value.charCodeAt(index) || 0)
  },
  read(reader) {
    const codes = Array.from({ length: 32 }, () => reader.int() & 0xff)
    const end = codes.indexOf(0)
    return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end)))
  },
}

export type TypedValue = number | bigint | boolean | string
/** libvirt's typed parameters. A name that comes more than once (`migrate_disks`) is a list. */
export type TypedParams = Record<string, TypedValue | TypedValue[]>

const kinds: Record<number, (reader: XdrReader) => TypedValue> = {
  1: reader => reader.int(),
  2: reader => reader.uint(),
  3: reader => reader.hyper(),
  4: reader => reader.uhyper(),
  5: reader => reader.double(),
  6: reader => flag.read(reader),
  7: reader => reader.string(),
}

/** bigint is written as ULLONG, a whole number as INT: what libvirt wants wherever a client sends parameters. */
function writeTyped(writer: XdrWriter, value: TypedValue) {
  if (typeof value === 'bigint') {
    writer.int(4)
    writer.uhyper(value)
  } else if (typeof value === 'boolean') {
    writer.int(6)
    flag.write(writer, value)
  } else if (typeof value === 'string') {
    writer.int(7)
    writer.string(value)
  } else if (Number.isInteger(value)) {
    writer.int(1)
    writer.int(value)
  } else {
    writer.int(5)
    writer.double(value)
  }
}

const typedParam: Codec<[string, TypedValue]> = {
  write(writer, [name, value]) {
    writer.string(name)
    writeTyped(writer, value)
  },
  read(reader) {
    const name = reader.string()
    const kind = reader.int()
    const read = kinds[kind]
    if (!read) throw new HdcsError('protocol', `libvirt sent “${name}” as a parameter of unknown kind ${kind}.`)
    return [name, read(reader)]
  },
}

/** @param max libvirt's own limit of the list. */
export function typedParams(max: number): Codec<TypedParams> {
  const pairs = list(typedParam, max)
  return {
    write(writer, params) {
      const single = (name: string, value: TypedValue): [string, TypedValue] => [name, value]
      pairs.write(
        writer,
        Object.entries(params).flatMap(([name, value]) =>
          Array.isArray(value) ? value.map(one => single(name, one)) : [single(name, value)],
        ),
      )
    },
    read(reader) {
      const found = new Map<string, TypedValue | TypedValue[]>()
      for (const [name, value] of pairs.read(reader)) {
        const before = found.get(name)
        found.set(name, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value])
      }
      return Object.fromEntries(found)
    },
  }
}

export const nodeInfo = struct({
  cpuModel,
  memoryKib: uhyper,
  cpus: int,
  mhz: int,
  nodes: int,
  sockets: int,
  cores: int,
  threads: int,
})

export const dhcpLease = struct({
  bridge: text,
  expiresAtSeconds: hyper,
  addressKind: named(['ipv4', 'ipv6']),
  mac: optional(text),
  iaid: optional(text),
  address: text,
  prefix: uint,
  hostName: optional(text),
  clientId: optional(text),
})

export const domainInterface = struct({
  name: text,
  mac: optional(text),
  addresses: list(struct({ kind: named(['ipv4', 'ipv6']), address: text, prefix: uint }), 2048),
})
