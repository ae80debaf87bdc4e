import { HdcsError } from '../lib/errors.ts'
import type { Folders } from './folders.ts'
import type { HostOptions } from './host.ts'
export const importUpload = (_folders: Folders, _fetch: HostOptions['fetchImage']) => async (): Promise<void> => {
  throw new HdcsError('unsupported', 'Uploads are not imported yet.')
}
