import { expect, it } from 'vitest'
import { sizeText } from '../../lib/sizes.ts'

it.each([
  [0, '0 bytes'],
  [100, '100 bytes'],
  [96 * 2 ** 20, '96 MiB'],
  [10_737_418_240, '10 GiB'],
  [1.5 * 2 ** 30, '1.5 GiB'],
  [2 ** 41, '2 TiB'],
])('%i is %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text)
})
