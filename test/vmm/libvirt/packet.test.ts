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

  it.each([0, 27, maxPacketBytes + 1, 0xffffffff])(
    'refuses an announced length of %i before allocating anything',
    length => {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, length)
      expect(() => new PacketReader().feed(bytes)).toThrow(expect.objectContaining({ code: 'protocol' }))
    },
  )
})
