import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fileSha256, makeSha256 } from '../../web/admin/sha256.ts'

const real = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('the checksum of an upload', () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000])(
    'is right for %i bytes, where the padding changes',
    length => {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 31) & 255)
      const sha = makeSha256()
      sha.feed(bytes)
      expect(sha.hex()).toBe(real(bytes))
    },
  )

  it('does not depend on how the file is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), pieces => {
        const sha = makeSha256()
        for (const piece of pieces) sha.feed(piece)
        expect(sha.hex()).toBe(real(Buffer.concat(pieces)))
      }),
    )
  })

  it('tells how far it is, up to the whole', async () => {
    const told: number[] = []
    const size = 9 * 1024 * 1024
    await fileSha256(new Blob([new Uint8Array(size)]), done => told.push(done), new AbortController().signal)
    expect(told.at(-1)).toBe(size)
    expect(told).toEqual(told.toSorted((a, b) => a - b))
  })

  it('stops when it is cancelled', async () => {
    const cancel = new AbortController()
    const file = new Blob([new Uint8Array(9 * 1024 * 1024)])
    const hashing = fileSha256(file, () => cancel.abort(new Error('cancelled')), cancel.signal)
    await expect(hashing).rejects.toThrow('cancelled')
  })
})
