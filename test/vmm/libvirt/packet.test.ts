import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePacket, maxPacketBytes, type Packet, PacketReader } from '../../../vmm/libvirt/packet.ts'

const packet = (payload: Uint8Array): Packet => ({
  program: 0x20008086,
  version: 1,
  procedure: 344,
  type: 1,
  serial: 7,
  status: 0,
  payload,
})

const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
const sent = (all: Uint8Array[]) => Buffer.concat(all.map(payload => encodePacket(packet(payload))))

function fed(bytes: Uint8Array, sizes: () => number): Packet[] {
  const reader = new PacketReader()
  const read: Packet[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = sizes()
    read.push(...reader.feed(bytes.subarray(at, at + size)))
    at += size
  }
  return read
}

describe('libvirt packets', () => {
  it('come out whole however the bytes are cut', () => {
    fc.assert(
      fc.property(payloads, fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (all, cuts) => {
        const read = fed(sent(all), () => cuts.next().value as number)
        const plain = (one: Packet) => ({ ...one, payload: [...one.payload] })
        expect(read.map(plain)).toEqual(all.map(packet).map(plain))
      }),
    )
  })

  it('come out whole one byte at a time', () => {
    fc.assert(
      fc.property(payloads, all => {
        expect(fed(sent(all), () => 1).map(({ payload }) => [...payload])).toEqual(all.map(payload => [...payload]))
      }),
    )
  })

  it('do not come out before their last byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), payload => {
        const bytes = encodePacket(packet(payload))
        const reader = new PacketReader()
        expect(reader.feed(bytes.subarray(0, -1))).toEqual([])
        expect(reader.feed(bytes.subarray(-1))).toHaveLength(1)
      }),
    )
  })

  it('out of random bytes are packets or a refusal, whole and one byte at a time alike', () => {
    const outcome = (bytes: Uint8Array, size: number) => {
      try {
        return fed(bytes, () => size).map(({ payload }) => [...payload])
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    // Small lengths, so that some of them make packets.
    const word = fc.nat(64).map(value => [0, 0, 0, value])
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.uint8Array({ maxLength: 9 }))), parts => {
        const bytes = Uint8Array.from(parts.flatMap(part => [...part]))
        const whole = outcome(bytes, Math.max(1, bytes.length))
        expect(outcome(bytes, 1)).toEqual(whole)
        if (typeof whole === 'string') expect(whole).toBe('protocol')
      }),
    )
  })

  it.each([0, 27, maxPacketBytes + 1, 0xffffffff])(
    'refuses an announced length of %i before allocating anything',
    length => {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, length)
      expect(() => new PacketReader().feed(bytes)).toThrow(expect.objectContaining({ code: 'protocol' }))
    },
  )
})
