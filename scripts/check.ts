/**
 * The one gate: what `npm test` runs once the machine is prepared. Every step runs even when an earlier one failed (all
 * that is wrong is seen at once); the exit code is 0 only when all passed.
 *
 *   npm test                      everything
 *   npm test -- test/broker -t x  only these tests, with vitest's own options
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

interface Step {
  name: string
  /** A script of a package or of ours, run by this Node, and its arguments. */
  command: string[]
  /** Long steps show what they do; of the others only the failure is worth reading. */
  shown?: boolean
  /** Tells, but does not fail the gate. */
  advice?: boolean
}

const root = fileURLToPath(new URL('..', import.meta.url))
const module = (path: string) => `${root}node_modules/${path}`
const scratch = await mkdtemp(join(tmpdir(), 'hdcs-check-'))
const told = join(scratch, 'tests.json')
const vitest = [
  module('vitest/vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${told}`,
]

const steps: Step[] = [
  { name: 'style', command: [module('@biomejs/biome/bin/biome'), 'ci', '--colors=off', '.'] },
  { name: 'types', command: [module('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  { name: 'types of the pages', command: [module('typescript/bin/tsc'), '-p', 'web/tsconfig.json'] },
  { name: 'openapi.json is fresh', command: [`${root}scripts/openapi.ts`, '--check'] },
  { name: 'tests', command: vitest, shown: true },
  { name: 'unused code', command: [module('knip/bin/knip.js')], advice: true },
]

interface Result {
  step: Step
  passed: boolean
  seconds: number
}

function run(step: Step): Promise<Result> {
  const startedAt = performance.now()
  console.log(`\n── ${step.name}`)
  return new Promise(resolve => {
    const [script = '', ...args] = step.command
    // Colours and cursor movements end up in logs; a person at a terminal gets them.
    const child = spawn(process.execPath, [script, ...args], {
      cwd: root,
      stdio: ['ignore', step.shown ? 'inherit' : 'pipe', step.shown ? 'inherit' : 'pipe'],
    })
    let output = ''
    const collect = (text: Buffer) => {
      output += text
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const end = (passed: boolean) => {
      const seconds = (performance.now() - startedAt) / 1000
      if (!passed) console.log(output.trimEnd())
      console.log(`   ${passed ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s`)
      resolve({ step, passed, seconds })
    }
    child.once('error', error => {
      output += `${error.message}\n`
      end(false)
    })
    child.once('close', code => end(code === 0))
  })
}

// Ctrl-C reaches the step as well; we wait for its end so that its servers and machines are cleaned up.
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
  })
}

const only = process.argv.slice(2)
const wanted: Step[] = only.length ? [{ name: 'tests', command: [...vitest, ...only], shown: true }] : steps
const results: Result[] = []
for (const step of wanted) {
  if (!interrupted) results.push(await run(step))
}

/** The failed tests once more, each with its reason: half an hour of output stands above, and a log may keep only its end. */
async function failedTests(): Promise<string[]> {
  interface Told {
    testResults: {
      name: string
      status: string
      message: string
      assertionResults: { fullName: string; status: string; failureMessages: string[] }[]
    }[]
  }
  const { testResults } = JSON.parse(await readFile(told, 'utf8').catch(() => '{"testResults":[]}')) as Told
  return testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, message, assertionResults }) => {
      const file = name.replace(root, '')
      const each = assertionResults.filter(({ status }) => status === 'failed')
      return each.length
        ? each.map(test => `${file}: ${test.fullName}\n${reason(file, test.failureMessages[0] ?? '')}`)
        : [`${file} did not run\n${reason(file, message)}`]
    })
}

/** The first lines of what was thrown, and where in the test's file. */
function reason(file: string, thrown: string): string {
  const lines = stripVTControlCharacters(thrown).split('\n')
  const at = lines.find(line => line.includes(file))?.match(/:\d+:\d+/)?.[0]
  const words = lines.filter(line => line.trim() && !/^\s*at /.test(line)).slice(0, 8)
  return [...words.map(line => line.slice(0, 240)), ...(at ? [`at ${file}${at}`] : [])]
    .map(line => `           ${line}`)
    .join('\n')
}

const failed = results.filter(({ step, passed }) => !passed && !step.advice)
console.log('\n── in all')
for (const { step, passed, seconds } of results) {
  const verdict = passed ? 'passed' : step.advice ? 'advice' : 'FAILED'
  console.log(`   ${verdict}  ${seconds.toFixed(1).padStart(7)} s  ${step.name}`)
}
for (const name of await failedTests()) console.log(`   FAILED  ${name}`)
await rm(scratch, { recursive: true })
const total = results.reduce((sum, { seconds }) => sum + seconds, 0)
console.log(`   ${failed.length || interrupted ? 'FAILED' : 'passed'}  ${total.toFixed(1).padStart(7)} s`)
process.exitCode = failed.length || interrupted ? 1 : 0
