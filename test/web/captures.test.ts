import { describe, expect, it } from 'vitest'
import { desktopChoices } from '../../web/admin/captures.ts'

type Desktop = Parameters<typeof desktopChoices>[0][number]

const desktop = (name: string, userName: string | null = null) =>
  ({ id: `id-${name}`, name, userName, poolName: 'office' }) as unknown as Desktop

describe('the desktops that a version may be made of', () => {
  it('are offered once each, those that can be chosen first, the others with their reason', () => {
    const running = 'it must be shut down for it'
    const refused: Record<string, string> = { 'office-001': running }
    const seen = [
      desktop('office-003', 'ana'),
      desktop('office-001', 'ben'),
      desktop('office-002'),
      desktop('office-003'),
    ]
    expect(desktopChoices(seen, ({ name }) => refused[name] ?? null)).toEqual([
      { value: 'id-office-002', label: 'office-002', whose: 'office', reason: null, disabled: false },
      { value: 'id-office-003', label: 'office-003', whose: 'office', reason: null, disabled: false },
      { value: 'id-office-001', label: 'office-001', whose: 'ben · office', reason: running, disabled: true },
    ])
  })
})
