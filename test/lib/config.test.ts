import { describe, expect, it } from 'vitest'
import { passwordLeast, readConfig } from '../../lib/config.ts'

describe('the settings', () => {
  it('refuse a first password that the API would refuse, without repeating it', () => {
    const read = (password: string) => readConfig({ HOME: '/home/x', HDCS_ADMIN_PASSWORD: password }, false)
    const short = 'q'.repeat(passwordLeast - 1)
    expect(() => read(short)).toThrow(/^HDCS_ADMIN_PASSWORD should have 8 characters at least\.$/)
    expect(read(`${short}q`).adminPassword).toBe(`${short}q`)
    expect(read('').adminPassword).toBeNull()
  })
})
