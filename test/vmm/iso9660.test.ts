import { describe, expect, it } from 'vitest'
import { isoImage } from '../../vmm/iso9660.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const sector = (image: Buffer, at: number, count = 1) => image.subarray(at * 2048, (at + count) * 2048)

/** A small reader of its own, by the standard: what the root of one of the two trees holds. */
function read(image: Buffer, at: number, text: (name: Buffer) => string): Map<string, string> {
  const volume = sector(image, at)
  expect(volume.toString('latin1', 1, 6)).toBe('CD001')
  expect(volume.readUInt32LE(80)).toBe(image.length / 2048)
  expect(volume.readUInt32BE(84)).toBe(image.length / 2048)
  const root = volume.readUInt32LE(156 + 2)
  // The path table says the same, in both orders.
  expect(sector(image, volume.readUInt32LE(140)).readUInt32LE(2)).toBe(root)
  expect(sector(image, volume.readUInt32BE(148)).readUInt32BE(2)).toBe(root)
  const folder = sector(image, root)
  const files = new Map<string, string>()
  for (let place = 0; (folder[place] ?? 0) > 0; place += folder[place] ?? 0) {
    const name = folder.subarray(place + 33, place + 33 + (folder[place + 32] ?? 0))
    const [extent, length] = [folder.readUInt32LE(place + 2), folder.readUInt32LE(place + 10)]
    expect([folder.readUInt32BE(place + 6), folder.readUInt32BE(place + 14)]).toEqual([extent, length])
    if (folder[place + 25] === 2) expect(extent).toBe(root)
    else files.set(text(name), image.toString('utf8', extent * 2048, extent * 2048 + length))
  }
  return files
}
const latin = (name: Buffer) => name.toString('latin1')
const wide = (name: Buffer) => Buffer.from(name).swap16().toString('utf16le')

describe('a CD-ROM of a few files', () => {
  const long = '<a/>\n'.repeat(1000)
  const image = isoImage('ANSWERS', [
    { name: 'Unattend.xml', bytes: bytes('<ü/>') },
    { name: 'Autounattend.xml', bytes: bytes(long) },
    { name: 'empty.txt', bytes: bytes('') },
  ])

  it('has each under its whole name where names are long, and under a short one elsewhere', () => {
    expect([...read(image, 17, wide)]).toEqual([
      ['Autounattend.xml;1', long],
      ['Unattend.xml;1', '<ü/>'],
      ['empty.txt;1', ''],
    ])
    expect([...read(image, 16, latin)]).toEqual([
      ['AUTOUNAT.XML;1', long],
      ['EMPTY.TXT;1', ''],
      ['UNATTEND.XML;1', '<ü/>'],
    ])
    expect([...sector(image, 18).subarray(0, 7)]).toEqual([255, ...bytes('CD001'), 1])
  })

  it('bears its label, is of whole sectors, and the same for the same files', () => {
    expect(sector(image, 16).toString('latin1', 40, 72).trimEnd()).toBe('ANSWERS')
    expect(image.length % 2048).toBe(0)
    const one = [{ name: 'a.txt', bytes: bytes('a') }]
    expect(isoImage('A', one).equals(isoImage('A', one))).toBe(true)
  })

  it('refuses names that not every reader tells apart', () => {
    const file = (name: string) => ({ name, bytes: bytes('') })
    const wrong = [['../a.txt'], ['ä.txt'], ['a'], ['abcdefgh1.txt', 'abcdefgh2.txt']]
    for (const names of wrong)
      expect(() => isoImage('A', names.map(file))).toThrow(expect.objectContaining({ code: 'invalid' }))
    expect(() => isoImage('a label', [])).toThrow(expect.objectContaining({ code: 'invalid' }))
  })
})
