import { describe, expect, it } from 'vitest'
import { type LifeChange, livesOf } from '../../broker/desktop-log.ts'
import type { SetupRunRow } from '../../db/customisation.ts'

const at = (second: number) => new Date(Date.UTC(2030, 0, 1, 8, 0, 0) + second * 1000)
const change = (
  second: number,
  became: string,
  life: number | null = 1,
  user_name: string | null = null,
): LifeChange => ({
  at: at(second),
  became,
  reason: `it is ${became}`,
  user_name,
  life,
})
const run = (second: number, step_id: string, some: Partial<SetupRunRow> = {}): SetupRunRow => ({
  desktop_id: 'd',
  step_id,
  attempt: 1,
  step: 'before',
  state: 'done',
  exit_code: 0,
  text: '',
  output: 'well\n',
  started_at: at(second),
  ms: 2_000,
  ...some,
})
const made = [change(0, 'making'), change(3, 'stopped'), change(4, 'starting'), change(14, 'ready')]

describe('the lives of a desktop’s disk', () => {
  it('tell what each phase and each script took, and what that wrote', () => {
    const [life, ...others] = livesOf(made, [run(10, 'before-1-1')], at(60))
    expect(others).toEqual([])
    expect(life).toMatchObject({ life: 1, to: null, state: 'ready', ms: 14_000, userName: null })
    expect(life?.steps.map(({ name, ms, exitCode }) => [name, ms, exitCode])).toEqual([
      ['making', 3_000, null],
      ['stopped', 1_000, null],
      ['starting', 8_000, null],
      ['before', 2_000, 0],
    ])
    expect(life?.lines.map(({ text }) => text)).toEqual([
      'making: it is making',
      'stopped: it is stopped',
      'starting: it is starting',
      'before: begins',
      'before | well',
      'before: ended with exit code 0 after 2.0 s',
      'ready: it is ready',
    ])
  })

  it('are apart, newest first, each with its own scripts; what was tried by hand belongs to its time', () => {
    const changes = [...made, change(20, 'assigned', 1, 'ana'), change(30, 'recycling', 2), change(35, 'starting', 2)]
    const runs = [
      run(10, 'before-1-1'),
      run(16, 'after-1-1999-1', { step: 'after' }),
      run(25, '0190-uuid', { step: 'trial' }),
      run(36, 'before-2-1', { state: 'running', ms: 1_000 }),
      run(50, '0191-uuid', { step: 'trial' }),
    ]
    const [second, first] = livesOf(changes, runs, at(60))
    expect(first).toMatchObject({ life: 1, to: at(30), state: 'ready', userName: 'ana' })
    expect(first?.steps.map(({ name }) => name).slice(3)).toEqual(['before', 'after', 'trial'])
    expect(second).toMatchObject({ life: 2, to: null, state: 'running', ms: 30_000 })
    expect(second?.steps.map(({ name, state }) => [name, state])).toEqual([
      ['recycling', 'done'],
      ['starting', 'running'],
      ['before', 'running'],
      ['trial', 'done'],
    ])
  })

  it('are failed, or ended, where nothing became ready', () => {
    const failed = [...made.slice(0, 3), change(14, 'failed')]
    expect(livesOf(failed, [], at(60))[0]).toMatchObject({ state: 'failed' })
    expect(livesOf(failed, [], at(60))[0]?.steps.at(-1)).toMatchObject({ name: 'starting', state: 'failed' })
    const given = [...made.slice(0, 3), change(14, 'recycling', 2)]
    expect(livesOf(given, [], at(60))[1]).toMatchObject({ state: 'ended', ms: 14_000 })
  })

  it('are none of a desktop of which nothing is known; what is from before lives were noted is the oldest', () => {
    expect(livesOf([], [], at(0))).toEqual([])
    const lives = livesOf([change(0, 'making', null), change(5, 'recycling', 3)], [], at(9))
    expect(lives.map(({ life }) => life)).toEqual([3, 0])
  })
})
