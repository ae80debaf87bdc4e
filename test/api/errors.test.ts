import { expect, it } from 'vitest'
import { isOwnFault } from '../../api/errors.ts'
import { errorCodes } from '../../lib/errors.ts'

it('a refusal, and that no host has room, is no fault of the server in its log', () => {
  const faults = ['storage_full', 'start_failed', 'unreachable', 'timeout', 'protocol', 'internal']
  expect(errorCodes.filter(isOwnFault)).toEqual(faults)
})
