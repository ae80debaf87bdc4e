import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFolder } from '../../lib/folder-lock.ts'

const lockModule = fileURLToPath(new URL('../../lib/folder-lock.ts', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hdcs-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A process that locks the folder, starts a program that outlives it, and stays. */
async function startHolder() {
  const text = `
    import { spawn } from 'node:child_process'
    import { lockFolder } from ${JSON.stringify(lockModule)}
    const lock = lockFolder(${JSON.stringify(folder)})
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    console.log(child.pid)
    setInterval(() => lock, 1e6)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(holder.stdout, 'data')
  return { holder, childPid: Number(String(line)) }
}

describe('a folder', () => {
  it('is kept by one process, which the others are told, and free when that was killed', async () => {
    const { holder, childPid } = await startHolder()
    try {
      expect(() => lockFolder(folder)).toThrow(
        `${folder} is in use by process ${holder.pid}: end it, or set HDCS_DATA_DIR.`,
      )
      const gone = once(holder, 'exit')
      holder.kill('SIGKILL')
      await gone
      // What it started lives on and must not keep the folder: PostgreSQL outlives us.
      process.kill(childPid, 0)
      lockFolder(folder)[Symbol.dispose]()
    } finally {
      holder.kill('SIGKILL')
      process.kill(childPid, 'SIGKILL')
    }
  })

  it('is free although a stranger has the pid of who had it', () => {
    writeFileSync(join(folder, 'lock'), `${process.ppid}\n`)
    using _lock = lockFolder(folder)
    expect(() => lockFolder(folder)).toThrow(`in use by process ${process.pid}`)
  })

  it('is free after a clean end, also by another way to it', () => {
    const first = lockFolder(folder)
    expect(() => lockFolder(join(folder, '..', folder.slice(folder.lastIndexOf('/') + 1)))).toThrow('in use')
    first[Symbol.dispose]()
    first[Symbol.dispose]()
    lockFolder(folder)[Symbol.dispose]()
  })

  it('that is none is refused in words', () => {
    writeFileSync(join(folder, 'file'), '')
    for (const wrong of [join(folder, 'file'), join(folder, 'file', 'below')])
      expect(() => lockFolder(wrong)).toThrow(`${wrong} cannot hold our data: it is not a folder. Set HDCS_DATA_DIR`)
  })
})
