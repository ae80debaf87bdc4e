import { argon2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { passphraseMake } from '../../auth/passphrase.ts'
import { passwordHash, passwordVerify } from '../../auth/password.ts'

describe('a password', () => {
  it('is known again by its hash, and no other one is', async () => {
    const phc = await passwordHash('correct horse')
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(await passwordVerify('correct horse', phc)).toBe(true)
    expect(await passwordVerify('correct horsf', phc)).toBe(false)
    expect(await passwordVerify('', phc)).toBe(false)
  })

  it('has another hash each time', async () => {
    expect(await passwordHash('same')).not.toBe(await passwordHash('same'))
  })

  it('is the same however its accents were typed', async () => {
    expect(await passwordVerify('Zu\u0308rich', await passwordHash('Z\u00fcrich'))).toBe(true)
  })

  it('can be read from hashes of other cost, made by other programs', async () => {
    const salt = Buffer.from('somesaltsomesalt')
    const hash = argon2Sync('argon2id', {
      message: 'old',
      nonce: salt,
      parallelism: 2,
      tagLength: 24,
      memory: 4096,
      passes: 3,
    })
    const bare = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
    const phc = `$argon2id$v=19$m=4096,t=3,p=2$${bare(salt)}$${bare(hash)}`
    expect(await passwordVerify('old', phc)).toBe(true)
  })

  it('of nobody is never right, and is checked as long as one of somebody', async () => {
    const phc = await passwordHash('somebody')
    const timed = async (kept: string | null) => {
      const started = performance.now()
      expect(await passwordVerify('guess', kept)).toBe(false)
      return performance.now() - started
    }
    const fastest = async (kept: string | null) => Math.min(await timed(kept), await timed(kept), await timed(kept))
    const [somebody, nobody] = [await fastest(phc), await fastest(null)]
    expect(nobody).toBeGreaterThan(somebody / 3)
  })

  it('whose stored form is broken is an error, not a wrong password', async () => {
    await expect(passwordVerify('x', '$argon2id$v=19$m=1$x')).rejects.toMatchObject({ code: 'internal' })
  })

  it('is checked for two people at a time, in the order they came, and whoever comes too late is told when', async () => {
    let inside = 0
    let most = 0
    const order: number[] = []
    const turn = (number: number) => ({
      before: async () => {
        most = Math.max(most, ++inside)
        order.push(number)
        await new Promise(resolve => setImmediate(resolve))
        inside--
        throw new Error('far enough')
      },
      after: async () => {},
    })
    const tries = Array.from({ length: 450 }, (_, number) => passwordVerify('x', null, turn(number)))
    const refused = (await Promise.allSettled(tries)).filter(
      result => result.status === 'rejected' && (result.reason as { code?: string }).code === 'rate_limited',
    )
    expect(most).toBeLessThanOrEqual(2)
    expect(refused.length).toBe(450 - 402)
    expect(order).toEqual([...order].sort((one, other) => one - other))
  })
})

describe('a generated password', () => {
  it('has no two signs that look alike, and never comes twice', () => {
    const made = Array.from({ length: 500 }, passphraseMake)
    expect(new Set(made).size).toBe(500)
    for (const text of made) expect(text).toMatch(/^[a-hjkmnp-z2-9]{4}(-[a-hjkmnp-z2-9]{4}){4}$/)
  })
})
