import { ApiError } from '../../api/client.ts'

/** What a call was refused with; a call that was not refused fails the test. */
export async function refusal(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ApiError) return error
  throw new Error('this should have been refused', { cause: error })
}
