/**
 * What went wrong with a desktop, as its person is told: by its code alone. A host's own words name its programs, files
 * and addresses; they are for those who may see its machines.
 */
import type { Principal } from '../auth/principal.ts'
import type { ErrorCode } from '../lib/errors.ts'

interface Trouble {
  code: ErrorCode
  text: string
}

const sentences = {
  invalid: 'Its settings do not fit the server it is on. Tell your administrator.',
  unauthenticated: 'Your session has ended. Sign in again.',
  forbidden: 'This is not allowed.',
  not_found: 'Something it needs is gone. Tell your administrator.',
  conflict: 'It cannot be done in its present state.',
  too_large: 'It is too large.',
  rate_limited: 'Too much was asked at once. Try again in a minute.',
  pool_exhausted: 'All desktops of this pool are taken. Try again when somebody gives theirs back.',
  user_limit: 'You have as many desktops as you may. Give one back first.',
  no_host: 'No server has room for it. Try again later, or tell your administrator.',
  template_unavailable: 'What it is made from is not ready. Tell your administrator.',
  storage_full: 'There is no storage left. Tell your administrator.',
  start_failed: 'It did not start. Try again; if it fails once more, tell your administrator.',
  setup_failed: 'It could not be made ready for you. Try again; if it fails once more, tell your administrator.',
  disk_in_use: 'It waits until its old server is surely off, and then starts by itself.',
  unreachable: 'Its server does not answer. Try again in a minute.',
  timeout: 'It took too long. Try again.',
  protocol: 'Its server was not understood. Tell your administrator.',
  wrong_method: 'Something went wrong. Tell your administrator.',
  unsupported: 'This is not possible on the server it is on. Tell your administrator.',
  cancelled: 'It was cancelled.',
  internal: 'Something went wrong on its server. Try again; if it happens twice, tell your administrator.',
} satisfies Record<ErrorCode, string>

/** A trouble of a desktop for whoever asks: as its host told it, or the sentence of its code. */
export function troubleFor<T extends Trouble>(principal: Principal, trouble: T | null): T | null {
  return trouble && !principal.permissions.has('desktop.read')
    ? { ...trouble, text: sentences[trouble.code] ?? sentences.internal }
    : trouble
}
