import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HdcsError } from '../../../lib/errors.ts'
import {
  type Codec,
  double,
  type Fields,
  flag,
  hyper,
  int,
  list,
  opaque,
  optional,
  struct,
  text,
  uhyper,
  uint,
  uuid,
} from '../../../vmm/libvirt/codec.ts'
import { domainEvents } from '../../../vmm/libvirt/events.ts'
import { cpuModel, domain, remoteError, typedParams } from '../../../vmm/libvirt/objects.ts'
import { procedures } from '../../../vmm/libvirt/protocol.ts'
import { maxStringBytes, XdrReader, XdrWriter } from '../../../vmm/libvirt/xdr.ts'

function encoded<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new XdrWriter()
  codec.write(writer, value)
  return writer.bytes()
}

const int32 = fc.integer()
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const words = fc.string({ unit: 'grapheme', maxLength: 40 })
const anyUuid = fc.uuid()
const anyDomain = fc.record({ name: words, uuid: anyUuid, id: int32 })
const single = fc.oneof(int32, uint64, fc.boolean(), words, fc.constant(0.25))
const manyOf = fc.array(words, { minLength: 2, maxLength: 4 })
const params = fc.dictionary(words, fc.oneof(single, manyOf), { noNullPrototype: true })

/** Every kind of value with what may stand in it. */
const kinds: { name: string; codec: Codec<unknown>; values: fc.Arbitrary<unknown> }[] = [
  { name: 'int', codec: int, values: int32 },
  { name: 'uint', codec: uint, values: fc.nat(0xffffffff) },
  { name: 'hyper', codec: hyper, values: int64 },
  { name: 'uhyper', codec: uhyper, values: uint64 },
  { name: 'double', codec: double, values: fc.double({ noNaN: true }) },
  { name: 'flag', codec: flag, values: fc.boolean() },
  { name: 'text', codec: text, values: words },
  { name: 'uuid', codec: uuid, values: anyUuid },
  { name: 'opaque', codec: opaque(64), values: fc.uint8Array({ maxLength: 64 }).map(bytes => new Uint8Array(bytes)) },
  { name: 'optional', codec: optional(text), values: fc.option(words) },
  { name: 'list', codec: list(text, 9), values: fc.array(words, { maxLength: 9 }) },
  { name: 'domain', codec: domain, values: anyDomain },
  { name: 'typed parameters', codec: typedParams(64), values: params },
  { name: 'CPU model', codec: cpuModel, values: fc.string({ unit: fc.constantFrom('x', '8', '_'), maxLength: 32 }) },
]

describe('values on the wire', () => {
  it.each(kinds)('$name comes back as it was written, on a boundary of four bytes', ({ codec, values }) => {
    fc.assert(
      fc.property(values, value => {
        const bytes = encoded(codec, value)
        const reader = new XdrReader(bytes)
        expect(codec.read(reader)).toEqual(value)
        expect([bytes.length % 4, reader.left]).toEqual([0, 0])
      }),
    )
  })

  it.each(kinds)('$name cut anywhere is refused as malformed', ({ codec, values }) => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const bytes = encoded(codec, value)
        const short = bytes.subarray(0, cut % bytes.length)
        expect(() => codec.read(new XdrReader(short))).toThrow(expect.objectContaining({ code: 'protocol' }))
      }),
    )
  })

  it('are laid out as RFC 4506 says', () => {
    const point = struct({ name: text, id: int, size: uhyper, next: optional(int) })
    const hex = Buffer.from(encoded(point, { name: 'abcde', id: -1, size: 5n, next: 7 })).toString('hex')
    expect(hex).toBe('000000056162636465000000' + 'ffffffff' + '0000000000000005' + '0000000100000007')
  })

  it.each([
    ['a text longer than what follows', text, [0x00001000]],
    ['a text longer than libvirt ever sends', text, [maxStringBytes + 1]],
    ['a list longer than what follows', list(int, 100), [100, 1]],
    ['a list longer than libvirt ever sends', list(int, 3), [4, 1, 2, 3, 4]],
    ['bytes of 4 GiB', opaque(0xffffffff), [0xffffffff]],
    ['a parameter of unknown kind', typedParams(3), [1, 0, 99, 0]],
  ] as [string, Codec<unknown>, number[]][])('refuses %s', (_, codec, wordsOf) => {
    const writer = new XdrWriter()
    for (const word of wordsOf) writer.uint(word)
    expect(() => codec.read(new XdrReader(writer.bytes()))).toThrow(expect.objectContaining({ code: 'protocol' }))
  })

  it('refuses a text that libvirt would refuse, before it is sent', () => {
    expect(() => encoded(text, 'x'.repeat(maxStringBytes + 1))).toThrow(expect.objectContaining({ code: 'too_large' }))
  })

  it('takes a parameter called __proto__ for a parameter', () => {
    const bytes = encoded(list(struct({ name: text, kind: int, value: int }), 9), [
      { name: '__proto__', kind: 1, value: 5 },
    ])
    const read = typedParams(9).read(new XdrReader(bytes))
    expect(Object.getOwnPropertyNames(read)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
  })
})

describe('the tables', () => {
  const rows = [
    ...Object.entries(procedures).map(([name, { result }]) => [`answer of ${name}`, result] as const),
    ...Object.entries(domainEvents).map(([name, { fields }]) => [`event ${name}`, struct<Fields>(fields)] as const),
    ['error', remoteError] as const,
  ]

  it.each(rows)('%s: random bytes are read or refused, never more than that', (_, codec) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        try {
          ;(codec as Codec<unknown>).read(new XdrReader(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(HdcsError)
          expect((error as HdcsError).code).toBe('protocol')
        }
      }),
      { numRuns: 50 },
    )
  })

  it('name no procedure and no event twice', () => {
    const calls = Object.values(procedures).map(({ program, number }) => `${program}.${number}`)
    const messages = Object.values(domainEvents).flatMap(({ id, number }) => [`id ${id}`, `message ${number}`])
    for (const numbers of [calls, messages]) expect(new Set(numbers).size).toBe(numbers.length)
  })
})
