import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { templateGet, versionNote } from '../../broker/templates.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

let site: TestSite
let admin: Principal
let templateId: string
beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

it('changes the notes of a version that is in use, and nothing else of it', async () => {
  const [before] = (await templateGet(site.broker, admin, templateId)).versions
  const { versions } = await versionNote(site.broker, admin, templateId, 1, 'two lines\nof notes')
  expect(versions).toEqual([{ ...before, notes: 'two lines\nof notes' }])
  expect((await versionNote(site.broker, admin, templateId, 1, '')).versions[0]?.notes).toBe('')
  await expect(versionNote(site.broker, admin, templateId, 9, 'x')).rejects.toMatchObject({ code: 'not_found' })
})
