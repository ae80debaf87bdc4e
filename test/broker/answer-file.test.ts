import { DOMParser } from '@xmldom/xmldom'
import { describe, expect, it } from 'vitest'
import { answerFile, answerNames, computerName, unattendWrong } from '../../broker/answer-file.ts'

const settings = {
  unattend: null,
  timeZone: 'W. Europe Standard Time',
  language: 'de-DE',
  keyboard: null,
  administrator: null,
  sealedPassword: null,
  sealedProductKey: null,
}
const values = {
  ...({ HDCS_DESKTOP: 'demo-1', HDCS_COMPUTER: 'demo-1', HDCS_POOL: 'demo', HDCS_ADDRESS: '10.0.0.9' } as const),
  ...({ HDCS_DOMAIN: '', HDCS_DOMAIN_USER: '', HDCS_DOMAIN_OU: '', HDCS_DOMAIN_PASSWORD: '' } as const),
  ...({ HDCS_ADMINISTRATOR_PASSWORD: '', HDCS_PRODUCT_KEY: '' } as const),
}
const read = (text: string) => new DOMParser().parseFromString(text, 'text/xml')
const said = (text: string, name: string) =>
  [...read(text).getElementsByTagName(name)].map(element => element.textContent?.trim())
const passOf = (text: string, name: string) => {
  const passes = [...read(text).getElementsByTagName('settings')]
  return passes.find(pass => pass.getElementsByTagName(name).length > 0)?.getAttribute('pass')
}

describe('an answer file', () => {
  it('says name, time zone and language, in the pass that reads each', () => {
    const text = answerFile(settings, values)
    expect(
      text.startsWith('<?xml version="1.0" encoding="utf-8"?>\n<unattend xmlns="urn:schemas-microsoft-com:unattend">'),
    ).toBe(true)
    expect([said(text, 'ComputerName'), passOf(text, 'ComputerName')]).toEqual([['demo-1'], 'specialize'])
    expect([said(text, 'UILanguage'), passOf(text, 'UILanguage')]).toEqual([['de-DE'], 'oobeSystem'])
    expect(said(text, 'InputLocale')).toEqual(['de-DE'])
    expect(said(text, 'TimeZone')).toEqual(['W. Europe Standard Time', 'W. Europe Standard Time'])
    for (const absent of ['ProductKey', 'UserAccounts', 'JoinDomain']) expect(said(text, absent)).toEqual([])
  })

  it('keeps whatever a password holds one text', () => {
    const password = `]]></Value><x a="&amp;'ü`
    const given = { ...values, HDCS_ADMINISTRATOR_PASSWORD: password, HDCS_PRODUCT_KEY: 'AAAAA-BBBBB' }
    expect(said(answerFile(settings, given), 'Value')).toEqual([password])
    const own = { ...settings, administrator: 'helper' }
    expect(said(answerFile(own, given), 'Name')).toEqual(['helper'])
    expect(said(answerFile(own, given), 'Value')).toEqual([password])
    const raw = {
      ...settings,
      unattend: '<unattend xmlns="u" at="{{HDCS_ADMINISTRATOR_PASSWORD}}">{{OTHER}}</unattend>',
    }
    const element = read(answerFile(raw, given)).documentElement
    expect(element?.getAttribute('at')).toBe(password)
    expect(element?.textContent).toBe('{{OTHER}}')
  })

  it.each([
    ['joiner', 'corp.example', 'joiner'],
    ['CORP\\joiner', 'CORP', 'joiner'],
    ['joiner@other.example', 'other.example', 'joiner'],
  ])('joins a domain as %s', (user, domain, name) => {
    const given = { ...values, HDCS_DOMAIN: 'corp.example', HDCS_DOMAIN_USER: user, HDCS_DOMAIN_PASSWORD: 'x&y' }
    const text = answerFile(settings, { ...given, HDCS_DOMAIN_OU: 'OU=Class' })
    const all = ['JoinDomain', 'Domain', 'Username', 'Password', 'MachineObjectOU'].flatMap(each => said(text, each))
    expect(all).toEqual(['corp.example', domain, name, 'x&y', 'OU=Class'])
    expect(passOf(text, 'JoinDomain')).toBe('specialize')
    expect(text).toContain('name="Microsoft-Windows-UnattendedJoin"')
  })
})

describe('the name of a Windows', () => {
  it('is its desktop’s where Windows takes that, and else as much its own', () => {
    expect(computerName('demo-1')).toBe('demo-1')
    expect(computerName('123')).toBe('d-123')
    const [one, two] = [computerName('physics-laboratory-1'), computerName('physics-laboratory-2')]
    expect(one).toMatch(/^physics-[0-9a-f]{6}$/)
    expect(two).not.toBe(one)
    for (const name of [one, two]) expect(name.length).toBeLessThanOrEqual(15)
    expect(computerName('physics-laboratory-1')).toBe(one)
  })
})

describe('an administrator’s own file', () => {
  const around = (inner: string) => `<unattend xmlns="urn:schemas-microsoft-com:unattend">${inner}</unattend>`
  const wrong = (text: string) => unattendWrong(text, [...answerNames, 'LICENCE'])

  it('may name what is known and hold no password', () => {
    const password =
      '<AdministratorPassword><Value>{{LICENCE}}</Value><PlainText>true</PlainText></AdministratorPassword>'
    expect(wrong(around(`<ComputerName>{{HDCS_COMPUTER}}</ComputerName>${password}`))).toBeNull()
  })

  it.each([
    ['is no XML', '<unattend', /well-formed/],
    ['is another XML', '<other/>', /root/],
    ['names what nobody knows', around('{{NOBODY}}'), /\{\{NOBODY\}\}/],
    ['reads files', `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>${around('&b;')}`, /document type/],
    ['holds a password', around('<Password>Geh31m</Password>'), /secret/],
    ['holds an account’s password', around('<Password><Value>Geh31m</Value></Password>'), /secret/],
    ['holds a key', around('<ProductKey>AAAAA-BBBBB</ProductKey>'), /secret/],
  ])('is refused when it %s', (_what, text, reason) => {
    expect(wrong(text)).toMatch(reason)
  })
})
