import { describe, expect, it } from 'vitest'
import { HdcsError } from '../../lib/errors.ts'
import { freshMemory, memoryFailed, memoryStarted, memoryStopped, memoryWished } from '../../vmm/memory.ts'

const error = (code: HdcsError['code']) => new HdcsError(code, code)

describe('what is told of a machine’s failures', () => {
  it.each(['start_failed', 'storage_full', 'invalid'] as const)('%s at once', code => {
    expect(memoryFailed(freshMemory, error(code), 0)).toMatchObject({ trouble: { code }, retryAtMs: 1_000 })
  })

  it.each(['timeout', 'conflict', 'not_found', 'internal'] as const)('%s only when it goes on', code => {
    const once = memoryFailed(freshMemory, error(code), 0)
    const twice = memoryFailed(once, error(code), 0)
    expect([once.trouble, twice.trouble]).toEqual([null, null])
    expect(memoryFailed(twice, error(code), 0)).toMatchObject({ trouble: { code }, retryAtMs: 4_000 })
  })

  it('a disk that another host has open: at once, asked for every five seconds, and counted as no failure', () => {
    let memory = freshMemory
    for (let time = 0; time < 10; time++) memory = memoryFailed(memory, error('disk_in_use'), 0)
    expect(memory).toMatchObject({ trouble: { code: 'disk_in_use' }, retryAtMs: 5_000, failures: 0 })
  })

  it('libvirt away: never, as it is the host’s trouble', () => {
    let memory = freshMemory
    for (let time = 0; time < 10; time++) memory = memoryFailed(memory, error('unreachable'), 0)
    expect(memory).toMatchObject({ trouble: null, unreachable: true })
  })

  it('nothing of the old wish holds the new one up', () => {
    const failed = memoryFailed(memoryStopped(freshMemory, 'crashed', 1, 0), error('start_failed'), 0)
    expect(memoryWished(failed)).toMatchObject({ failures: 0, retryAtMs: 0 })
  })

  it('a new boot lets nobody in and knows of no answer', () => {
    const ready = { ...freshMemory, answered: true, admittedSerial: 4, clients: 1 }
    expect(memoryStarted(ready, 7)).toMatchObject({ answered: false, admittedSerial: 0, clients: 0, bootedAtMs: 7 })
  })
})
