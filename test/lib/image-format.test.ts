import { describe, expect, it } from 'vitest'
import { formatNamed, formatRefusal, formatSaid, rawRemark, saidBytes } from '../../lib/image-format.ts'

/** A file's beginning with these texts at these places. */
function head(...marks: [number, string][]): Uint8Array {
  const bytes = new Uint8Array(saidBytes)
  for (const [at, text] of marks) bytes.set(Buffer.from(text, 'latin1'), at)
  return bytes
}
const qcow2 = head([0, 'QFI\xfb'])

describe('a file that is said to be', () => {
  it.each([
    ['qcow2', qcow2],
    ['vmdk', head([0, 'KDMV'])],
    ['vmdk', head([0, '# Disk DescriptorFile'])],
    ['vdi', head([0x40, '\x7f\x10\xda\xbe'])],
    ['vhdx', head([0, 'vhdxfile'])],
    ['vpc', head([0, 'conectix'])],
    ['vpc', head()],
    ['iso', head([0x8001, 'CD001'])],
    ['ova', head([257, 'ustar'])],
    ['raw', head()],
    ['raw', head([0x8001, 'CD001'])],
  ] as const)('%s may be it', (format, bytes) => {
    expect(formatRefusal(bytes, format)).toBeNull()
  })

  it.each([
    ['qcow2', head(), 'no qcow2 image'],
    ['qcow2', Uint8Array.of(1, 2, 3), 'no qcow2 image'],
    ['vdi', head(), 'no vdi image'],
    ['vmdk', head(), 'no vmdk image'],
    ['iso', head(), 'no iso image'],
    ['ova', head(), 'no ova image'],
    ['raw', qcow2, 'a qcow2 image, not raw'],
    ['vmdk', qcow2, 'a qcow2 image, not vmdk'],
  ] as const)('%s without its mark, or with that of another, is refused', (format, bytes, text) => {
    expect(formatRefusal(bytes, format)).toContain(text)
  })
})

it('is known by its bytes, and by the ending of its name', () => {
  expect([formatSaid(qcow2), formatSaid(head())]).toEqual(['qcow2', null])
  expect(['a.qcow2', 'B.VHD', 'c.hdcs.tar', 'd.txt', 'qcow2', '/a.qcow2/b'].map(formatNamed)).toEqual([
    'qcow2',
    'vpc',
    'hdcs',
    null,
    null,
    null,
  ])
})

describe('a disk as it is', () => {
  it.each([
    ['a boot sector or a partition table', head([510, '\x55\xaa'])],
    ['ext4', head([1080, '\x53\xef'])],
    ['XFS', head([0, 'XFSB'])],
    ['btrfs', head([0x10040, '_BHRfS_M'])],
    ['LVM', head([512, 'LABELONE'], [0x218, 'LVM2 001'])],
    ['an installation disc', head([0x8001, 'CD001'])],
  ])('with %s is taken without a word', (_, bytes) => {
    expect(rawRemark(bytes)).toBeNull()
  })

  it.each([
    ['zeros', head()],
    ['text', Buffer.from('only some text\n')],
  ])('of %s is one from which nothing may start', (_, bytes) => {
    expect(rawRemark(bytes)).toContain('may not start')
  })
})
