import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeTarReader, type TarEvent, tarEnd, tarFilling, tarHeader } from '../../lib/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'hdcs-tar-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const madeAt = new Date('2026-03-01T12:00:00Z')
const content = { 'box.ovf': Buffer.from('<Envelope/>'), 'a disk.vmdk': Buffer.alloc(1500, 7), empty: Buffer.alloc(0) }

const written = () =>
  Buffer.concat([
    ...Object.entries(content).flatMap(([name, bytes]) => [
      tarHeader({ name, sizeBytes: bytes.length, madeAt }),
      bytes,
      tarFilling(bytes.length),
    ]),
    tarEnd(),
  ])

/** What a reader makes of it, fed in pieces of some size. */
function read(bytes: Buffer, pieceBytes = bytes.length) {
  const reader = makeTarReader()
  const files: Record<string, Buffer> = {}
  let name = ''
  const heard = (event: TarEvent) => {
    if (event.type === 'member') {
      name = event.name
      files[name] = Buffer.alloc(0)
    } else if (event.type === 'data') files[name] = Buffer.concat([files[name] ?? Buffer.alloc(0), event.bytes])
  }
  for (let at = 0; at < bytes.length; at += pieceBytes)
    for (const event of reader.feed(bytes.subarray(at, at + pieceBytes))) heard(event)
  reader.finish()
  return files
}

describe('an archive', () => {
  it.each([1, 511, 512, 513, 4096])('is read as it was written, fed %i bytes at a time', pieceBytes => {
    expect(read(written(), pieceBytes)).toEqual(content)
  })

  it('of ours is what GNU tar reads', () => {
    const path = join(folder, 'ours.tar')
    writeFileSync(path, written())
    const run = (...args: string[]) => execFileSync('tar', args, { cwd: folder })
    expect(run('-tf', path).toString().trim().split('\n')).toEqual(Object.keys(content))
    expect(run('-xOf', path, 'a disk.vmdk').equals(content['a disk.vmdk'])).toBe(true)
  })

  it.each(['ustar', 'gnu', 'pax', 'v7'])('that GNU tar wrote as %s is read', format => {
    for (const [name, bytes] of Object.entries(content)) writeFileSync(join(folder, name), bytes)
    const path = join(folder, `${format}.tar`)
    execFileSync('tar', [`--format=${format}`, '-cf', path, ...Object.keys(content)], { cwd: folder })
    expect(read(readFileSync(path))).toEqual(content)
  })

  it('holds files above eight GiB', () => {
    const sizeBytes = 9 * 2 ** 30 + 5
    const [event] = makeTarReader().feed(tarHeader({ name: 'large', sizeBytes, madeAt }))
    expect(event).toEqual({ type: 'member', name: 'large', sizeBytes })
  })

  const header = (change: (block: Buffer) => void) => {
    const block = Buffer.from(tarHeader({ name: 'disk', sizeBytes: 10, madeAt }))
    change(block)
    block.fill(32, 148, 156)
    const sum = block.reduce((all, byte) => all + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return block
  }
  it.each<[string, Buffer, RegExp]>([
    ['is none', Buffer.alloc(512, 65), /no tar file/],
    ['is empty', Buffer.alloc(1024), /empty/],
    ['climbs out of its folder', header(block => block.write('../../etc/passwd\0')), /no plain file name/],
    ['names a file by its path', header(block => block.write('/etc/passwd\0')), /no plain file name/],
    ['names a file with a new line', header(block => block.write('a\nb\0')), /no plain file name/],
    ['holds a link', header(block => block.write('2', 156)), /plain files/],
    ['holds a folder', header(block => block.write('5', 156)), /plain files/],
    ['holds a device', header(block => block.write('3', 156)), /plain files/],
    ['claims a size that is no number', header(block => block.write('9x9\0', 124)), /no number/],
    ['claims a size beyond all numbers', header(block => block.fill(255, 124, 136)), /no number/],
    [
      'has a long header',
      header(block => {
        block.write('x', 156)
        block.write('00077777777\0', 124)
      }),
      /too long/,
    ],
    ['was changed', Buffer.from(tarHeader({ name: 'disk', sizeBytes: 1, madeAt })).fill(66, 0, 1), /damaged/],
    ['was cut off', written().subarray(0, 700), /cut off/],
  ])('that %s is refused', (_what, bytes, reason) => {
    for (const pieceBytes of [1, bytes.length]) expect(() => read(bytes, pieceBytes)).toThrow(reason)
  })

  it('of more files than any appliance has is refused', () => {
    const one = tarHeader({ name: 'x', sizeBytes: 0, madeAt })
    expect(() => read(Buffer.concat(Array.from({ length: 65 }, () => one)))).toThrow('more than 64 files')
  })
})
