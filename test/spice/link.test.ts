import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeLinkMessage, encodeLinkMessage, type LinkEvent, LinkReader } from '../../spice/link.ts'

const keys = generateKeyPairSync('rsa', { modulusLength: 1024 })
const der = keys.publicKey.export({ type: 'spki', format: 'der' })

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * index)
  return bytes
}
const framed = (body: Buffer) => Buffer.concat([Buffer.from('REDQ'), words(2, 2, body.length), body])
const reply = framed(Buffer.concat([words(0), der, words(1, 2, 178, 0b1011, 0x52, 7)]))

function feedCut(reader: LinkReader, bytes: Uint8Array, sizes: Iterator<number>): LinkEvent[] {
  const events: LinkEvent[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = sizes.next().value
    events.push(...reader.feed(bytes.subarray(at, at + size)))
    at += size
  }
  return events
}

describe('the SPICE link', () => {
  it('is read whole however the bytes are cut, and answers with the password for this key alone', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 40 }).filter(text => !text.includes('\0')),
        fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
        (password, sizes) => {
          const [send, linked] = feedCut(new LinkReader(password), Buffer.concat([reply, words(0)]), sizes)
          if (send?.type !== 'send') throw new Error('no password was sent')
          const padding = constants.RSA_PKCS1_OAEP_PADDING
          const cipher = Buffer.from(send.bytes.subarray(4))
          expect(cipher.length).toBe(128)
          expect(privateDecrypt({ key: keys.privateKey, padding, oaepHash: 'sha1' }, cipher).toString()).toBe(
            `${password}\0`,
          )
          expect(linked).toMatchObject({ type: 'linked', reply: { common: [0b1011], channel: [0x52, 7] } })
        },
      ),
      { numRuns: 50 },
    )
  })

  it('hands over the first messages that came in the same bytes as the result', () => {
    const events = new LinkReader('x').feed(Buffer.concat([reply, words(0), Buffer.from('next')]))
    expect(events.at(-1)).toMatchObject({ type: 'linked', rest: Buffer.from('next') })
  })

  it.each([
    [7, 'permission denied'],
    [8, 'session is over'],
    [77, 'refused'],
  ])('tells the result %i as "%s"', (code, refusal) => {
    expect(new LinkReader('x').feed(Buffer.concat([reply, words(code)])).at(-1)).toEqual({
      type: 'refused',
      refusal,
      code,
    })
    expect(new LinkReader('x').feed(framed(words(code)))).toEqual([{ type: 'refused', refusal, code }])
  })

  it.each([
    ['another protocol', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
    ['a reply of four gigabytes', Buffer.concat([Buffer.from('REDQ'), words(2, 2, 0xffff_ffff)])],
    ['a reply that is too short', framed(words(0))],
    ['more capabilities than there are bytes', framed(Buffer.concat([words(0), der, words(0xffff_ffff, 1, 178)]))],
    ['a server without the mini header', framed(Buffer.concat([words(0), der, words(1, 0, 178, 0)]))],
    ['a key that is none', framed(Buffer.concat([words(0), Buffer.alloc(162), words(1, 0, 178, 0b1011)]))],
  ])('refuses %s', (_, bytes) => {
    expect(() => new LinkReader('x').feed(bytes)).toThrow(expect.objectContaining({ code: 'protocol' }))
  })

  it('never throws anything but a protocol error, whatever is sent', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        try {
          new LinkReader('x').feed(Buffer.concat([Buffer.from('REDQ'), bytes]))
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol' })
        }
      }),
    )
  })

  it('reads back what a client asks for, as soon as that is there', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(11), fc.nat(255), (connectionId, channelType, channelId) => {
        const bytes = encodeLinkMessage({ connectionId, channelType, channelId })
        expect(decodeLinkMessage(bytes)).toEqual({ connectionId, channelType, channelId })
        expect(decodeLinkMessage(bytes.subarray(0, 20))).toBeUndefined()
      }),
    )
    expect(() => decodeLinkMessage(Buffer.from('GET / HTTP/1.1'))).toThrow(
      expect.objectContaining({ code: 'protocol' }),
    )
  })
})
