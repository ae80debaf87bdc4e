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

describe('the receipt of a saving', () => {
  const standing: DesktopForTask = {
    phase: 'stopped',
    userId: null,
    observedStep: null,
    queuePlace: null,
    incarnation: { wished: 1, observed: 1 },
    trouble: null,
    saved: { wished: true, observed: null },
    setup: null,
  }
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
})
