import { describe, expect, it } from 'vitest'
import {
  type DesktopForTask,
  desktopTask,
  type MaintenanceForTask,
  maintenanceTaskRules,
} from '../../broker/task-progress.ts'

const host: MaintenanceForTask = { state: 'online', wished: 'maintenance', desktops: 0, away: 1, text: '' }
const textOf = ({ steps }: ReturnType<(typeof maintenanceTaskRules)['host.enterMaintenance']>) =>
  steps.find(({ state }) => state === 'current')?.text

describe('the receipt of a host’s maintenance', () => {
  it('says what it waits for in words that can be read alone', () => {
    const enter = maintenanceTaskRules['host.enterMaintenance']
    const leave = maintenanceTaskRules['host.leaveMaintenance']
    expect(textOf(enter(host, {}))).toBe('it is still online')
    expect(textOf(leave({ ...host, wished: 'online', state: 'maintenance' }, {}))).toBe('it is still in maintenance')
    expect(textOf(leave({ ...host, wished: 'online' }, { total: 2 }))).toBe('1 is still to come')
    expect(textOf(leave({ ...host, wished: 'online', away: 2 }, { total: 2 }))).toBe('2 are still to come')
  })
})

const standing: DesktopForTask = {
  phase: 'stopped',
  userId: null,
  observedStep: null,
  queuePlace: null,
  incarnation: { wished: 1, observed: 1 },
  trouble: null,
  saved: { wished: true, observed: null },
  power: 'stopped',
  moving: false,
  setup: null,
}

describe('the receipt of a power action', () => {
  const receipt = (kind: string) => ({ id: 'a', kind, state: 'running' as const, progress: 1, steps: [], goal: {} })
  const becomes = (kind: string, facts: Partial<DesktopForTask>) =>
    desktopTask(receipt(`desktop.${kind}`), { ...standing, ...facts })

  it.each([
    ['start', { phase: 'stopping', power: 'stopped' }, 'stand still'],
    ['customise', { phase: 'stopped', power: 'stopped' }, 'stand still'],
    ['resume', { phase: 'paused', power: 'paused' }, 'be suspended'],
    ['suspend', { phase: 'ready', power: 'running' }, 'run'],
    ['shutdown', { phase: 'ready', power: 'running' }, 'run'],
    ['poweroff', { phase: 'starting', power: 'running' }, 'run'],
    ['release', { phase: 'ready', power: 'running' }, 'run'],
  ] as const)('of %s ends in words once something else is wished', (kind, facts, now) => {
    const text = `It was asked for something else meanwhile: it shall ${now} now.`
    expect(becomes(kind, facts)).toMatchObject({ state: 'failed', error: { code: 'cancelled', text } })
  })

  it.each([
    ['start', { phase: 'stopped', power: 'running' }, 'running'],
    // Its host is full: it is wished to run once it is on another.
    ['start', { phase: 'stopped', power: 'stopped', moving: true }, 'running'],
    ['start', { phase: 'ready', power: 'stopped' }, 'succeeded'],
    ['shutdown', { phase: 'ready', power: 'stopped' }, 'running'],
    ['shutdown', { phase: 'stopped', power: 'running' }, 'succeeded'],
    ['suspend', { phase: 'ready', power: 'paused' }, 'running'],
  ] as const)('of %s of %j is %s', (kind, facts, state) => {
    expect(becomes(kind, facts)?.state).toBe(state)
  })
})

describe('the receipt of a saving', () => {
  it.each([
    [
      'stays open when the machine stands before its host said that all is saved',
      { state: 'saving', progress: 80 },
      'running',
    ],
    ['is done when it is', { state: 'saved', bytes: 1, savedAt: '' }, 'succeeded'],
    ['fails when nothing is saved', null, 'failed'],
  ] as const)('%s', (_title, observed, state) => {
    const receipt = { id: 'a', kind: 'desktop.save', state: 'running' as const, progress: 1, steps: [], goal: {} }
    expect(desktopTask(receipt, { ...standing, saved: { wished: true, observed } })?.state).toBe(state)
  })

  it('stays open while all is saved and the machine counts as running: it could not be started yet', () => {
    const receipt = { id: 'a', kind: 'desktop.save', state: 'running' as const, progress: 1, steps: [], goal: {} }
    const saved = { wished: true, observed: { state: 'saved' as const, bytes: 1, savedAt: '' } }
    const outcome = desktopTask(receipt, { ...standing, phase: 'stopping', saved })
    expect(outcome).toMatchObject({ state: 'running', progress: 99 })
  })
})
