import { expect, it } from 'vitest'
import { timeAsked, timeHeld } from '../../web/admin/push-time.ts'

it('is held as wherever one sits', () => {
  const at = new Date(2026, 2, 4, 5, 6)
  expect(timeHeld(at)).toBe('2026-03-04T05:06')
  expect(timeAsked(timeHeld(at))).toEqual(at)
  expect(timeAsked('')).toBeNull()
  expect(timeAsked('2026-13-41T99:99')).toBeNull()
})
