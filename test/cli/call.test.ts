import { describe, expect, it } from 'vitest'
import { documentRead, inputOf, type Operation, operationsOf } from '../../cli/call.ts'
import { hdcs } from '../../cli/commands.ts'
import { fakeServer, person } from './server.ts'

const operations = operationsOf(documentRead())
const operation = (id: string) => operations.find(one => one.id === id) as Operation
const id = '01900000-0000-7000-8000-000000000001'

describe('hdcs call', () => {
  it('puts each word where the document says it belongs, as the kind of value it takes', () => {
    expect(
      inputOf(operation('poolUpdate'), [`id=${id}`, 'maxSize=5', 'description=5', 'enabled=false', 'hardware.vcpus=2']),
    ).toEqual({
      params: { id },
      query: {},
      body: { maxSize: 5, description: '5', enabled: false, hardware: { vcpus: 2 } },
    })
    expect(inputOf(operation('desktopList'), ['mine=true', 'limit=3'])).toEqual({
      params: {},
      query: { mine: 'true', limit: '3' },
      body: undefined,
    })
    expect(inputOf(operation('entitlementSet'), [`id=${id}`, `userIds=${id}`, 'groupIds:=[]'])).toMatchObject({
      body: { userIds: [id], groupIds: [] },
    })
  })

  it('says what an operation takes when a word is wrong or missing', () => {
    expect(() => inputOf(operation('poolClaim'), [])).toThrow(/id: missing.*hdcs call poolClaim id=…/)
    expect(() => inputOf(operation('poolClaim'), [`id=${id}`, 'colour=red'])).toThrow('has no colour')
    expect(() => inputOf(operation('poolUpdate'), [`id=${id}`, 'maxSize=many'])).toThrow('not the kind of value')
    expect(() => inputOf(operation('poolClaim'), ['demo'])).toThrow('write key=value')
  })

  it('lists every operation, and sends one', async () => {
    await using server = await fakeServer({ 'GET /api/v1/me': () => ({ body: { name: 'ana' } }) })
    const first = person(server.url)
    expect(await hdcs(['call'], first.around)).toBe(0)
    for (const one of operations) expect(first.out()).toContain(one.id)
    const second = person(server.url)
    expect(await hdcs(['call', 'meGet'], second.around)).toBe(0)
    expect(JSON.parse(second.out())).toEqual({ name: 'ana' })
  })

  it('offers what sounds alike when an operation is unknown', async () => {
    const { around, err } = person('http://127.0.0.1:1')
    expect(await hdcs(['call', 'poolcl'], around)).toBe(2)
    expect(err()).toContain('hdcs call poolClaim')
  })
})
