import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runOrThrow, runProgram } from '../../vmm/programs.ts'

const code = (name: string) => expect.objectContaining({ code: name })
const shell = (script: string) => ['-c', script]

describe('a program of the host', () => {
  it('is heard line by line, and its exit code is an answer', async () => {
    const lines: string[] = []
    const script = shell('printf "one\\ntw"; printf "o\\n"; echo words >&2; exit 3')
    const result = await runProgram('sh', script, { timeoutMs: 5_000, onLine: line => lines.push(line) })
    expect(lines).toEqual(['one', 'two'])
    expect(result).toEqual({ code: 3, output: 'one\ntwo\n', errors: 'words' })
    await expect(runOrThrow('sh', script, { timeoutMs: 5_000 })).rejects.toEqual(code('internal'))
  })

  it('is ended at its deadline with everything it started', async () => {
    const began = performance.now()
    await expect(runProgram('sh', shell('sleep 60 & sleep 60'), { timeoutMs: 50 })).rejects.toEqual(code('timeout'))
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('is ended when its work is cancelled, also before it began', async () => {
    const cancel = new AbortController()
    const running = runProgram('sleep', ['60'], { timeoutMs: 60_000, signal: cancel.signal })
    cancel.abort()
    await expect(running).rejects.toEqual(code('cancelled'))
    await expect(runProgram('true', [], { timeoutMs: 1, signal: cancel.signal })).rejects.toEqual(code('cancelled'))
  })

  it('that only fills a file ends with whoever started it, also where that is killed', async () => {
    const program = `const { runProgram } = await import(${JSON.stringify(import.meta.resolve('../../vmm/programs.ts'))})
      const onLine = line => console.log(line)
      await runProgram('sh', ['-c', 'echo $$; sleep 600'], { timeoutMs: 600_000, endsWithUs: true, onLine })`
    const agent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = (await once(agent.stdout, 'data')) as [Buffer]
    expect(existsSync(`/proc/${Number(`${said}`)}`)).toBe(true)
    agent.kill('SIGKILL')
    await expect.poll(() => existsSync(`/proc/${Number(`${said}`)}`)).toBe(false)
  })

  it('that is not installed is named', async () => {
    await expect(runProgram('hdcs-no-such-program', [], { timeoutMs: 1_000 })).rejects.toEqual(code('unsupported'))
  })
})
