import { describe, expect, it } from 'vitest'
import { addressTowards } from '../../bin/agent.ts'

describe('a host’s address', () => {
  it('is the one it would speak to the control plane from, also while nobody answers there', async () => {
    expect(await addressTowards('http://127.0.0.1:1')).toBe('127.0.0.1')
    expect(await addressTowards('https://[::1]')).toBe('::1')
    expect(await addressTowards('http://localhost:8080')).toMatch(/^(127\.0\.0\.1|::1)$/)
  })

  it('cannot be told when the control plane’s name is unknown', async () => {
    await expect(addressTowards('http://nowhere.invalid:8080')).rejects.toMatchObject({ code: 'unreachable' })
  })
})
