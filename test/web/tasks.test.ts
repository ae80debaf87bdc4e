import { expect, it } from 'vitest'
import { takesBackWords } from '../../broker/taking-back-words.ts'
import { takesBackWord, taskWord } from '../../web/data/words.ts'
import { en } from '../../web/i18n/en.ts'

/** The words behind a key of the message file. */
const t = ((key: string) =>
  key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], en)) as unknown as Parameters<
  typeof taskWord
>[0]

it('has words for each kind of task that can be cancelled, and for what that takes back', () => {
  for (const [kind, takesBack] of Object.entries(takesBackWords)) {
    expect(taskWord(t, kind)).not.toBe(kind)
    expect(takesBackWord(t, { kind, takesBack })).toMatch(/^[A-Z].+\.$/)
    expect(takesBackWord(t, { kind, takesBack: { text: 'of the server', loss: true } })).not.toBe('of the server')
  }
})

it('shows what it does not know as it came', () => {
  expect(taskWord(t, 'moon.land')).toBe('moon.land')
  expect(takesBackWord(t, { kind: 'moon.land', takesBack: { text: 'of the server', loss: true } })).toBe(
    'of the server',
  )
})
