import { expect, it } from 'vitest'
import { pairFitting } from '../../web/admin/action-pairs.ts'

const items = (resume: string | null, suspend: string | null) => [
  { name: 'start', reason: 'it runs' },
  { name: 'resume', reason: resume },
  { name: 'suspend', reason: suspend },
]
const names = (...asked: Parameters<typeof pairFitting>) => pairFitting(...asked).map(({ name }) => name)

it.each([
  ['what runs can be suspended', 'it is not paused', null, false, 'suspend'],
  ['what is paused can be resumed', null, 'it is paused', true, 'resume'],
  ['what is stopped says why it cannot be suspended', 'it is not paused', 'it does not run', false, 'suspend'],
  ['what is paused and in maintenance says why it cannot be resumed', 'maintenance', 'it is paused', true, 'resume'],
] as const)('shows one of suspend and resume: %s', (_title, resume, suspend, paused, shown) => {
  expect(names(items(resume, suspend), paused)).toEqual(['start', shown])
})

it('hides neither where the API names only one of them', () => {
  expect(names([{ name: 'resume', reason: 'it is not paused' }], false)).toEqual(['resume'])
})
