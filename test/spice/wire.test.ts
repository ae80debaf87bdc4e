import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MainWatch } from '../../spice/main-watch.ts'
import { encodeMessage, MessageReader, maxMessageBytes, pack } from '../../spice/wire.ts'

const messages = fc.array(fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 300 })), { maxLength: 8 })
const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 50 }))

function cut(bytes: Uint8Array, lengths: Iterator<number>): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += pieces.at(-1)?.length ?? 0)
    pieces.push(bytes.subarray(at, at + lengths.next().value))
  return pieces
}

describe('SPICE messages', () => {
  it('come out whole however the bytes are cut', () => {
    fc.assert(
      fc.property(messages, sizes, (sent, lengths) => {
        const reader = new MessageReader()
        const read: [number, number[]][] = []
        const bytes = Buffer.concat(sent.map(([type, body]) => encodeMessage(type, body)))
        for (const piece of cut(bytes, lengths)) reader.feed(piece, (type, body) => read.push([type, [...body]]))
        expect(read).toEqual(sent.map(([type, body]) => [type, [...body]]))
      }),
    )
  })

  it('come out whole one byte at a time, also when one is larger than any before', () => {
    const reader = new MessageReader()
    const body = Uint8Array.from({ length: 200_000 }, (_, i) => i)
    const read: number[] = []
    for (const byte of encodeMessage(304, body))
      reader.feed(Uint8Array.of(byte), (type, got) => read.push(type, got.length))
    expect(read).toEqual([304, body.length])
  })

  it.each([maxMessageBytes + 1, 0xffff_ffff])('refuses an announced size of %i before allocating anything', size => {
    const feed = () => new MessageReader().feed(pack(['u16', 304], ['u32', size]), () => {})
    expect(feed).toThrow(expect.objectContaining({ code: 'protocol' }))
  })
})

describe('the watch on the main channel', () => {
  it('finds the session id and the move however the bytes are cut, and nothing else', () => {
    fc.assert(
      fc.property(messages, sizes, fc.nat(0xffff_ffff), (noise, lengths, sessionId) => {
        const others = noise
          .filter(([type]) => type !== 103 && type !== 111)
          .map(([type, body]) => encodeMessage(type, body))
        const init = encodeMessage(103, Buffer.concat([pack(['u32', sessionId]), Buffer.alloc(28)]))
        const bytes = Buffer.concat([...others, init, ...others, encodeMessage(111, Buffer.alloc(20))])
        const watch = new MainWatch()
        const news = cut(bytes, lengths).flatMap(piece => watch.feed(piece))
        expect(news).toEqual([{ type: 'session', sessionId }, { type: 'moved' }])
      }),
    )
  })
})
