/** The one client of all pages: the browser's cookie speaks for the person. */
import { makeClient } from '../../api/client.ts'

export { ApiError } from '../../api/client.ts'
export const client = makeClient({ baseUrl: '' })
