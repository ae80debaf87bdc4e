/** The frame of every recipe: what the host agent relies on, tried with a recipe that takes as long as the test wants. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const frame = new URL('../../images/recipe.sh', import.meta.url).pathname
let folder = ''
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hdcs-recipe-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

/** Starts a recipe whose build is these lines of bash. */
async function recipeStart(body: string, name = 'trial') {
  const script = join(folder, 'build-trial.sh')
  await writeFile(script, `. '${frame}'\nrecipe_build() {\n${body}\n}\nrecipe_main ${name} "$@"\n`)
  const child = spawn('bash', [script, join(folder, 'out', 'trial.qcow2')], {
    env: { ...process.env, HDCS_CACHE: join(folder, 'cache'), HDCS_NODE: process.execPath },
  })
  children.push(child)
  const said = { output: '', errors: '' }
  child.stdout.on('data', chunk => {
    said.output += chunk
  })
  child.stderr.on('data', chunk => {
    said.errors += chunk
  })
  const exit = once(child, 'close').then(([code]) => code as number)
  return { child, said, exit }
}

async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await sleep(10)
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const present = (path: string) =>
  stat(join(folder, path)).then(
    () => true,
    () => false,
  )

const build = 'KEY=one; recipe_cached && return; echo words; truncate -s 1M "$DISK"; recipe_finish'

describe('a recipe', () => {
  it('publishes a sealed image, says only progress on its output, and leaves nothing else', async () => {
    const { said, exit } = await recipeStart(build)
    expect(await exit).toBe(0)
    expect((await stat(join(folder, 'out/trial.qcow2'))).mode & 0o777).toBe(0o444)
    expect(await readdir(join(folder, 'out'))).toEqual(['trial.qcow2'])
    expect((await readdir(join(folder, 'cache'))).sort()).toEqual(['trial-one.qcow2', 'trial.lock'])
    for (const line of said.output.trimEnd().split('\n')) expect(line).toMatch(/^PROGRESS \d{1,3} \S/)
    expect(said.output).toMatch(/PROGRESS 100 done\n$/)
    expect(said.errors).toContain('words')
  })

  it('takes the finished image of the same inputs from the cache', async () => {
    await (await recipeStart(build)).exit
    const first = await readFile(join(folder, 'out/trial.qcow2'))
    const again = await recipeStart(build)
    expect(await again.exit).toBe(0)
    expect(again.said.errors).not.toContain('words')
    expect((await readFile(join(folder, 'out/trial.qcow2'))).equals(first)).toBe(true)
  })

  it('fails with the reason as its last words and without an image', async () => {
    const { said, exit } = await recipeStart('truncate -s 1M "$DISK"; fail "the mirror is away"')
    expect(await exit).not.toBe(0)
    expect(said.errors.trimEnd().split('\n').at(-1)).toBe('the mirror is away')
    expect(await readdir(join(folder, 'out'))).toEqual([])
    expect(await present('cache/work-trial')).toBe(false)
  })

  it('ends with all its children when it is told to, and removes what it had begun', async () => {
    const { child, exit } = await recipeStart(
      'truncate -s 1M "$DISK"; sleep 1000 & echo $! >"$CACHE/sleeper"; sleep 1001',
    )
    await until(
      async () => (await present('cache/sleeper')) && (await readFile(join(folder, 'cache/sleeper'), 'utf8')) !== '',
    )
    const sleeper = Number(await readFile(join(folder, 'cache/sleeper'), 'utf8'))
    child.kill('SIGTERM')
    expect(await exit).toBe(143)
    // Killed, and gone once whoever inherited it has looked.
    await until(async () => !isThere(sleeper))
    expect(await present('cache/work-trial')).toBe(false)
    expect(await readdir(join(folder, 'out'))).toEqual([])
  })

  it('lets a second build of the same image wait and then share the result', async () => {
    const slow = `${build.replace('echo words', 'echo words; until [ -e "$CACHE/go" ]; do sleep 0.05; done')}`
    const first = await recipeStart(slow)
    await until(() => present('cache/work-trial'))
    const second = await recipeStart(slow)
    await until(() => second.said.output.includes('waiting for another build'))
    await writeFile(join(folder, 'cache/go'), '')
    expect(await Promise.all([first.exit, second.exit])).toEqual([0, 0])
    expect(second.said.errors).not.toContain('words')
  })

  it('clears away what a killed build left', async () => {
    const first = await recipeStart('echo $BASHPID >"$CACHE/inner"; touch "$WORK/rest"; sleep 1000')
    await until(() => present('cache/work-trial/rest'))
    const inner = Number(await readFile(join(folder, 'cache/inner'), 'utf8'))
    first.child.kill('SIGKILL')
    process.kill(-inner, 'SIGKILL')
    await first.exit
    const second = await recipeStart(build)
    expect(await second.exit).toBe(0)
    expect(await present('cache/work-trial')).toBe(false)
  })
})
