/** What Windows Setup is answered, as a template says it and pools follow it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Principal } from '../../auth/principal.ts'
import { desktopList } from '../../broker/desktops.ts'
import { poolCreate, poolGet, poolUpdate } from '../../broker/pools.ts'
import { templateGet, templateUpdate } from '../../broker/templates.ts'
import { siteWarm, startSite, type TestSite } from '../support/site.ts'

const answers = {
  unattend: null,
  timeZone: null,
  language: 'de-DE',
  keyboard: null,
  administrator: null,
  password: 'Adm1n-geheim',
  productKey: 'AAAAA-BBBBB-CCCCC-DDDDD-EEEEE',
}
const { password: _password, productKey: _key, ...settings } = answers
const windows = { shell: 'powershell' as const, hostName: false, domain: null, before: null, after: null }

let site: TestSite
let admin: Principal
let templateId: string
const media = new Map<string, string[]>()

beforeAll(async () => {
  site = await startSite()
  ;({ admin, templateId } = await siteWarm(site))
  const [host] = site.hosts
  if (!host) throw new Error('no host')
  const { machineStart } = host
  host.machineStart = async spec => {
    if (spec.answers) media.set(spec.name, [...(media.get(spec.name) ?? []), spec.answers.text])
    return machineStart.call(host, spec)
  }
}, 60_000)
afterAll(() => site?.[Symbol.asyncDispose]())

const poolOf = (name: string, customise?: Parameters<typeof poolCreate>[2]['customise']) =>
  poolCreate(site.broker, admin, {
    name,
    kind: 'floating',
    templateId,
    warm: 1,
    maxSize: 1,
    ...(customise !== undefined && { customise }),
  })
const update = (body: Parameters<typeof templateUpdate>[3]) => templateUpdate(site.broker, admin, templateId, body)
/** What its one desktop was last answered, once it is ready. */
const lastMedium = (poolId: string, holding: string) =>
  site.until(`answered with ${holding}`, async () => {
    const [desktop] = (await desktopList(site.broker, admin, { limit: 10, poolId })).items
    const text = desktop?.phase === 'ready' ? media.get(desktop.name)?.at(-1) : undefined
    return text?.includes(holding) && text
  })

describe('the answers of a template', () => {
  it('are what a pool that says nothing of it gets, secrets and all', async () => {
    await update({ answers })
    const template = await templateGet(site.broker, admin, templateId)
    expect(template.answers).toEqual({ ...settings, passwordSet: true, productKeySet: true })
    const pool = await poolOf('follows')
    expect(pool.customise).toMatchObject({ answersFrom: 'template', answers: template.answers })
    const text = await lastMedium(pool.id, '<UILanguage>de-DE')
    for (const secret of [answers.password, answers.productKey]) expect(text).toContain(secret)
    const { db } = site.broker
    const rows = [
      await db.selectFrom('template').selectAll().execute(),
      await db.selectFrom('customisation').selectAll().execute(),
    ]
    for (const secret of [answers.password, answers.productKey]) expect(JSON.stringify(rows)).not.toContain(secret)
    const reader = await site.person('reader', ['auditor'])
    expect((await templateGet(site.broker, reader, templateId)).answers).toBeNull()
  })

  it('change in the pools that follow it, and in no others; what was not given again stays', async () => {
    const own = await poolOf('own', { ...windows, answers: { ...settings, language: 'fr-FR' } })
    const none = await poolOf('none', null)
    expect(own.customise).toMatchObject({ answersFrom: 'pool', answers: { language: 'fr-FR', passwordSet: false } })
    expect(none.customise).toBeNull()
    const [follows] = await site.broker.db.selectFrom('pool').select('id').where('name', '=', 'follows').execute()
    const id = follows?.id ?? ''
    await lastMedium(own.id, 'fr-FR')
    await update({ answers: { ...settings, language: 'it-IT', productKey: null } })
    const text = await lastMedium(id, 'it-IT')
    expect(text).toContain(answers.password)
    expect(text).not.toContain(answers.productKey)
    expect((await poolGet(site.broker, admin, own.id)).customise?.answers?.language).toBe('fr-FR')
    expect((await poolGet(site.broker, admin, none.id)).customise).toBeNull()
    const lives = () =>
      site.broker.db.selectFrom('desktop').select(['id', 'wished_incarnation']).orderBy('id').execute()
    const before = await lives()
    await update({ answers: { ...settings, language: 'it-IT' }, description: 'nothing of it is other' })
    await poolUpdate(site.broker, admin, id, { customise: { ...windows, answers: 'template' } })
    expect(await lives()).toEqual(before)
  })

  it('are followed or not, as a pool says; its own have nothing of the template’s secrets', async () => {
    const pool = await poolOf('changes', { ...windows, answers: 'template' })
    await lastMedium(pool.id, answers.password)
    await poolUpdate(site.broker, admin, pool.id, { customise: { ...windows, answers: settings } })
    const view = (await poolGet(site.broker, admin, pool.id)).customise
    expect(view).toMatchObject({ answersFrom: 'pool', answers: { passwordSet: false, productKeySet: false } })
    const text = await lastMedium(pool.id, 'de-DE')
    expect(text).not.toContain(answers.password)
  })

  it('are none any more when they are taken away, and come again', async () => {
    const pool = await poolOf('again')
    await lastMedium(pool.id, 'it-IT')
    await update({ answers: null })
    expect((await poolGet(site.broker, admin, pool.id)).customise).toMatchObject({
      answersFrom: 'template',
      answers: null,
    })
    await update({ answers: { ...settings, language: 'es-ES' } })
    await lastMedium(pool.id, 'es-ES')
  })

  it('are refused where Setup would not take them, or nobody would tell', async () => {
    await expect(update({ answers: { ...settings, unattend: '<unattend' } })).rejects.toMatchObject({
      code: 'invalid',
      fields: [{ field: 'body.answers.unattend' }],
    })
    await expect(poolOf('linux', { ...windows, shell: 'sh', answers: 'template' })).rejects.toMatchObject({
      fields: [{ field: 'body.customise.answers' }],
    })
    await site.broker.db.updateTable('template').set({ ready_when: 'running' }).where('id', '=', templateId).execute()
    await expect(update({ answers })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('no guest agent'),
    })
  })
})
