import { expect, it } from 'vitest'
import { answersBody, answersShown, answersValues } from '../../web/admin/answers-values.ts'
import { customiseBody, customiseOfTemplate, customiseValues } from '../../web/admin/pool-customise-values.ts'

it('a pool that runs nothing in its guests stays so, and one that does comes back as it was', () => {
  expect(customiseBody(customiseValues(null))).toBeNull()
  const script = { text: 'true', timeoutSeconds: 60, retries: 2 }
  const domain = { name: 'corp.example', user: 'joiner', ou: null }
  const kept = { shell: 'sh' as const, hostName: true, before: script, after: null, answers: null }
  const secrets = [{ name: 'LICENCE' }]
  const values = customiseValues({ ...kept, secrets, domain: { ...domain, passwordSet: true }, answersFrom: 'pool' })
  expect(customiseBody(values)).toEqual({ ...kept, secrets, domain })
  const typed = { ...values, domain: { ...values.domain, password: 'new' } }
  expect(customiseBody(typed)?.domain).toEqual({ ...domain, password: 'new' })
  expect(customiseBody({ ...values, joins: false })?.domain).toBeNull()
})

it('what Windows Setup is answered comes back as it was, and secrets that were not typed are not sent', () => {
  const settings = { unattend: null, timeZone: 'UTC', language: 'de-DE', keyboard: null, administrator: 'helper' }
  const kept = { shell: 'powershell' as const, hostName: false, before: null, after: null, domain: null, secrets: [] }
  const values = customiseValues({
    ...kept,
    answers: { ...settings, passwordSet: true, productKeySet: false },
    answersFrom: 'pool',
  })
  expect(customiseBody(values)?.answers).toEqual(settings)
  const typed = { ...values, answers: { ...values.answers, password: 'new', productKey: 'aaaaa-bbbbb' } }
  expect(customiseBody(typed)?.answers).toEqual({ ...settings, password: 'new', productKey: 'AAAAA-BBBBB' })
  const own = { ...values, answers: { ...values.answers, own: true, unattend: '<unattend/>' } }
  expect(customiseBody(own)?.answers).toMatchObject({ unattend: '<unattend/>' })
  expect(customiseBody({ ...values, shell: 'sh' })).toBeNull()
})

it('a secret that is kept goes when it is cleared, and what is typed comes in its place', () => {
  const settings = { unattend: null, timeZone: null, language: 'de-DE', keyboard: null, administrator: null }
  const values = answersValues({ ...settings, passwordSet: true, productKeySet: true })
  const cleared = { password: true, productKey: false }
  expect(answersBody({ ...values, cleared })).toEqual({ ...settings, password: null })
  expect(answersBody({ ...values, cleared, password: 'new' })).toEqual({ ...settings, password: 'new' })
  expect(answersBody({ ...values, wished: false })).toBeNull()
  const fresh = answersValues({ ...settings, passwordSet: true, productKeySet: false })
  expect(answersShown(fresh)).toEqual({ ...settings, productKey: null })
  expect(answersShown({ ...fresh, productKey: 'a' })).toEqual({ ...settings, productKey: 'A' })
})

it('a pool follows the answers of its template, or has its own', () => {
  const answers = { unattend: null, timeZone: null, language: 'de-DE', keyboard: null, administrator: null }
  const template = { answers: { ...answers, passwordSet: true, productKeySet: false } }
  const values = customiseOfTemplate(template)
  expect(customiseBody(values)).toMatchObject({ shell: 'powershell', answers: 'template' })
  expect(customiseBody({ ...values, byTemplate: false })?.answers).toEqual(answers)
  expect(customiseBody(customiseOfTemplate({ answers: null }))).toBeNull()
})
