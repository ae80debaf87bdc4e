import { readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { accountFile, accountForget, accountRead, accountSave, serverUrl } from '../../cli/account.ts'
import { testFolder } from '../support/folder.ts'

const somewhere = () => ({ XDG_CONFIG_HOME: testFolder() })
const account = { url: 'http://127.0.0.1:8080', token: 'secret', userName: 'ana' }

describe('the account file', () => {
  it('is readable by its owner alone, also when it was wider before', () => {
    const env = somewhere()
    accountSave(env, account)
    accountSave(env, { ...account, token: 'newer' })
    expect(statSync(accountFile(env)).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(accountFile(env), 'utf8'))).toMatchObject({ token: 'newer' })
    expect(accountRead(env)).toMatchObject({ token: 'newer' })
  })

  it('says that nobody is signed in when there is none, or after logout', () => {
    const env = somewhere()
    const message = expect.objectContaining({ code: 'unauthenticated' })
    expect(() => accountRead(env)).toThrow(message)
    accountSave(env, account)
    accountForget(env)
    expect(() => accountRead(env)).toThrow(message)
  })

  it('is not asked when the environment names server and token', () => {
    expect(accountRead({ HDCS_URL: 'localhost:9000', HDCS_TOKEN: 't' })).toMatchObject({
      url: 'http://localhost:9000',
      token: 't',
    })
  })
})

describe('a server’s address', () => {
  it.each([
    ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['localhost', 'http://localhost'],
    ['desktops.example.org', 'https://desktops.example.org'],
    ['https://a.example:8443/api/v1/', 'https://a.example:8443'],
    ['http://10.0.0.1:8080', 'http://10.0.0.1:8080'],
  ])('takes %s as %s', (text, url) => expect(serverUrl(text)).toBe(url))

  it('refuses what is none', () => expect(() => serverUrl('a b')).toThrow('is no address'))
})
