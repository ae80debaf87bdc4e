import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ago, bar, bytes, type Column, duration, fields, table, widthOf } from '../../cli/print.ts'

const columns: Column<{ name: string; text: string; count: number }>[] = [
  { title: 'NAME', value: row => row.name },
  { title: 'TEXT', value: row => row.text },
  { title: 'COUNT', value: row => String(row.count), right: true },
]

describe('a table', () => {
  it('stands under its titles, figures to the right', () => {
    const rows = [
      { name: 'demo', text: 'ready', count: 3 },
      { name: '教室', text: 'no', count: 12 },
    ]
    expect(table(rows, columns, 80).split('\n')).toEqual([
      'NAME  TEXT   COUNT',
      'demo  ready      3',
      '教室  no        12',
    ])
  })

  it('never gets wider than the terminal, whatever is in it', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 60 })
    const row = fc.record({ name: text, text, count: fc.nat() })
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), fc.integer({ min: 30, max: 100 }), (rows, width) => {
        for (const line of table(rows, columns, width).split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width)
      }),
    )
  })

  it('lets no name move the cursor of the terminal', () => {
    expect(table([{ name: 'a\u001b[2Jb\r\n\u009bc', text: '', count: 1 }], columns, 80)).not.toMatch(/(?!\n)\p{Cc}/u)
  })

  it('says everything where there is no terminal', () => {
    const long = 'x'.repeat(500)
    expect(table([{ name: long, text: long, count: 1 }], columns, Number.POSITIVE_INFINITY)).toContain(long)
  })
})

describe('figures for people', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [3.4 * 2 ** 30, '3.4 GiB'],
    [256 * 2 ** 20, '256 MiB'],
    [null, '—'],
  ])('says %s bytes as %s', (size, text) => expect(bytes(size)).toBe(text))

  it.each([
    [900, '1 s'],
    [59_000, '59 s'],
    [150_000, '3 min'],
    [7_500_000, '2 h 5 min'],
    [7_200_000, '2 h'],
    [345_600_000, '4 days'],
  ])('says %s ms as %s', (ms, text) => expect(duration(ms)).toBe(text))

  it('says how long ago something was, and — for never', () => {
    expect(ago('2026-01-01T00:00:00Z', new Date('2026-01-01T00:03:00Z'))).toBe('3 min ago')
    expect(ago(null, new Date())).toBe('—')
  })

  it('draws progress', () => {
    expect(bar(60, 10)).toBe('[######····]  60 %')
    expect(bar(130, 4)).toBe('[####] 100 %')
  })

  it('leaves empty fields out', () => {
    expect(
      fields([
        ['name', 'demo'],
        ['address', null],
        ['phase', 'ready'],
      ]),
    ).toBe('name   demo\nphase  ready')
  })
})
