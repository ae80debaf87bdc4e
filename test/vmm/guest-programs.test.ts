import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { guestAnswer, textCleaned } from '../../vmm/guest-answer.ts'
import { powershellArguments, powershellProgram } from '../../vmm/guest-powershell.ts'
import { shProgram } from '../../vmm/guest-sh.ts'
import type { GuestScript } from '../../vmm/host.ts'
import { testFolder } from '../support/folder.ts'

const script = (more: Partial<GuestScript>): GuestScript => {
  return { id: 'before-1-1', shell: 'sh', text: 'true', input: '', environment: {}, timeoutSeconds: 60, ...more }
}
const bytes = (text: string) => new TextEncoder().encode(text)

describe.each(['sh', 'bash'])('the program for a Linux guest, in %s', shell => {
  const run = (given: Partial<GuestScript>, folder = testFolder()) => {
    const { stdout, stderr } = spawnSync(shell, ['-s'], { input: shProgram(script(given), folder) })
    return guestAnswer(stdout, stderr.toString())
  }

  it('keeps apart what is said to it: quotes, dollars and lines of a name are a name', () => {
    const name = `O'Neil "x" $(id) \`id\` \\ \n üü`
    const seen = run({ id: 'quotes', text: 'printf "%s" "$HDCS_USER"', environment: { HDCS_USER: name } })
    expect(seen).toMatchObject({ exitCode: 0, output: name })
  })

  it('gives a secret to the script alone: no file of the guest holds it', () => {
    const folder = testFolder()
    const seen = run(
      { id: 'secret', text: 'read -r secret; printf %s "$secret" | wc -c', input: 'Geh31mnis\n' },
      folder,
    )
    expect(seen.output).toBe('9\n')
    const kept = join(folder, 'secret')
    for (const name of readdirSync(kept)) expect(readFileSync(join(kept, name), 'utf8')).not.toContain('Geh31mnis')
  })

  it('hands secrets on in variables that no file of the guest holds, lines and quotes as they are', () => {
    const folder = testFolder()
    const secrets = { LICENCE: `Geh31m'nis "x"\n$(id)` }
    const seen = run({ id: 'variable', text: 'printf %s "$LICENCE"', secrets }, folder)
    expect(seen.output).toBe(secrets.LICENCE)
    const kept = join(folder, 'variable')
    for (const name of readdirSync(kept).filter(file => file !== 'out'))
      expect(readFileSync(join(kept, name), 'utf8')).not.toContain('Geh31m')
  })

  it('takes a script with an interpreter of its own', () => {
    expect(run({ id: 'other', text: `#!${process.execPath}\nconsole.log(6 * 7)` }).output).toBe('42\n')
  })
})

describe('what a guest answers', () => {
  it('is read from its first line, and the rest is what the script wrote', () => {
    const seen = guestAnswer(bytes('hdcs-script 0 12.50 14.75\none\ntwo\n'), '')
    expect(seen).toEqual({ state: 'ended', exitCode: 0, ms: 2250, output: 'one\ntwo\n' })
    expect(guestAnswer(bytes('\uFEFFhdcs-script running 1 2\r\n'), '').state).toBe('running')
    expect(guestAnswer(bytes('hdcs-script -1073741819 1 2\n'), '').exitCode).toBe(-1073741819)
  })

  it('that is no answer says what the guest said instead', () => {
    expect(() => guestAnswer(bytes(''), 'sh: setsid: not found')).toThrow('sh: setsid: not found')
  })

  it('loses colours, bells, NUL and half a sign at the cut, and nothing else', () => {
    const esc = String.fromCharCode(27)
    expect(textCleaned(`\uFFFDä${esc}[1;31mred${esc}[0m\0\u0007\tx\r\ny\rz`)).toBe('äred\tx\ny\nz')
  })
})

describe('the program for a Windows guest', () => {
  const program = powershellProgram(
    script({ shell: 'powershell', text: "'grün'", input: 'Geh31mnis', environment: { HDCS_USER: "O'Neil; exit" } }),
  )

  it('is ASCII, and what is said to it stands in it encoded', () => {
    expect(program).toMatch(/^[\n\r\t\x20-\x7e]*$/)
    for (const plain of ['Geh31mnis', 'O’Neil', "O'Neil", 'grün']) expect(program).not.toContain(plain)
    expect(program).toContain(Buffer.from("'grün'").toString('base64'))
  })

  it('has nothing of it in the arguments of a process', () => {
    const { length } = powershellArguments
    const said = Buffer.from(powershellArguments[length - 1] ?? '', 'base64').toString('utf16le')
    expect(said).toContain('$program = @($input) -join "`n"')
    expect(said).toContain('& ([ScriptBlock]::Create($program))')
  })

  it('hands secrets on in variables that no file of the guest holds', () => {
    const secretly = powershellProgram(
      script({ shell: 'powershell', text: 'x', input: 'one', secrets: { LICENCE: 'Geh31m' } }),
    )
    const encoded = (text: string) => Buffer.from(text).toString('base64')
    expect(secretly).toContain(
      `$env:LICENCE = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('${encoded('Geh31m')}'))`,
    )
    for (const line of secretly.split('\n').filter(text => text.includes('WriteAllText')))
      for (const secret of ['Geh31m', 'one']) expect(line).not.toContain(`'${encoded(secret)}'`)
  })

  it('redirects no native program’s errors by itself, which would end it, and tells a process from its successor', () => {
    expect(program).not.toMatch(/^[^"]*2>&1/m)
    expect(program).toContain('StartTime.ToFileTimeUtc()')
  })

  it('refuses a name that leads out of its folder', () => {
    expect(() => powershellProgram(script({ id: '..\\out' }))).toThrow('is no name of a script')
  })
})
