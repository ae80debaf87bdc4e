import { HdcsError } from '../../lib/errors.ts'
import type { XdrReader, XdrWriter } from './xdr.ts'

/** One value on the wire, both ways: tables of these are the protocol (protocol.ts, events.ts). */
export interface Codec<T> {
  write(writer: XdrWriter, value: T): void
  read(reader: XdrReader): T
}

/** A field that a caller may leave out. */
export interface Defaulted<T> extends Codec<T> {
  readonly fallback: T
}

export type ValueOf<C> = C extends Codec<infer T> ? T : never
export type Fields = Record<string, Codec<unknown>>
/** What reading gives. */
export type Read<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> }
/** What writing takes: defaulted fields may be left out. */
export type Written<F extends Fields> = {
  [K in keyof F as F[K] extends Defaulted<unknown> ? never : K]: ValueOf<F[K]>
} & { [K in keyof F as F[K] extends Defaulted<unknown> ? K : never]?: ValueOf<F[K]> | undefined }

export const int: Codec<number> = { write: (writer, value) => writer.int(value), read: reader => reader.int() }
export const uint: Codec<number> = { write: (writer, value) => writer.uint(value), read: reader => reader.uint() }
export const hyper: Codec<bigint> = { write: (writer, value) => writer.hyper(value), read: reader => reader.hyper() }
export const uhyper: Codec<bigint> = { write: (writer, value) => writer.uhyper(value), read: reader => reader.uhyper() }
export const double: Codec<number> = { write: (writer, value) => writer.double(value), read: reader => reader.double() }
export const text: Codec<string> = { write: (writer, value) => writer.string(value), read: reader => reader.string() }
export const flag: Codec<boolean> = {
  write: (writer, value) => writer.int(value ? 1 : 0),
  read: reader => reader.int() !== 0,
}
export const nothing: Codec<void> = { write: () => {}, read: () => {} }

export const opaque = (maxBytes: number): Codec<Uint8Array> => ({
  write: (writer, value) => writer.opaque(value),
  read: reader => reader.opaque(maxBytes),
})

/** An XDR pointer: a word that says whether the value follows. */
export const optional = <T>(codec: Codec<T>): Defaulted<T | null> => ({
  fallback: null,
  write(writer, value) {
    writer.uint(value === null ? 0 : 1)
    if (value !== null) codec.write(writer, value)
  },
  read: reader => (reader.uint() ? codec.read(reader) : null),
})

/** @param max libvirt's own limit of this list; a longer one is refused before it is read. */
export const list = <T>(codec: Codec<T>, max: number): Codec<T[]> => ({
  write(writer, values) {
    writer.uint(values.length)
    for (const value of values) codec.write(writer, value)
  },
  read(reader) {
    const values: T[] = []
    for (let left = reader.count(max); left > 0; left--) values.push(codec.read(reader))
    return values
  },
})

export const defaulted = <T>(codec: Codec<T>, fallback: T): Defaulted<T> => ({
  fallback,
  write: (writer, value) => codec.write(writer, value),
  read: reader => codec.read(reader),
})

/** A number with a name; numbers that a newer libvirt adds read as `unknown`. */
export const named = <const N extends string>(names: readonly N[]): Codec<N | 'unknown'> => ({
  write: (writer, value) => writer.int((names as readonly string[]).indexOf(value)),
  read: reader => names[reader.int()] ?? 'unknown',
})

/** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, lower case. */
export const uuid: Codec<string> = {
  write(writer, value) {
    const digits = value.replaceAll('-', '')
    if (!/^[0-9a-f]{32}$/i.test(digits)) throw new HdcsError('invalid', `“${value}” is not a UUID.`)
    writer.fixed(
      Uint8Array.from({ length: 16 }, (_, index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16)),
    )
  },
  read(reader) {
    const digits = Array.from(reader.fixed(16), byte => byte.toString(16).padStart(2, '0')).join('')
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  },
}

/** Fields in the order in which they are written down. */
export const struct = <F extends Fields>(fields: F): Codec<Read<F>> => ({
  write: (writer, value) => writeFields(writer, fields, value),
  read: reader =>
    Object.fromEntries(Object.entries(fields).map(([name, codec]) => [name, codec.read(reader)])) as Read<F>,
})

/** Writes what a caller gave, with the defaults of what it left out. */
export function writeFields(writer: XdrWriter, fields: Fields, values: Record<string, unknown>) {
  for (const [name, codec] of Object.entries(fields)) {
    const given = values[name]
    codec.write(writer, given === undefined && 'fallback' in codec ? codec.fallback : given)
  }
}
