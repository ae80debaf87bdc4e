import { expect, it } from 'vitest'
import { counted } from '../../lib/counted.ts'

it.each([
  [0, '0 desktops are on it'],
  [1, '1 desktop is on it'],
  [2, '2 desktops are on it'],
])('says %i of a thing as people say it', (count, said) => {
  expect(counted(count, 'desktop is on it', 'desktops are on it')).toBe(said)
})
