import { afterEach, expect, it, vi } from 'vitest'
import { followEvents } from '../../web/data/live.ts'
import { queryClient } from '../../web/data/queries.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  queryClient.clear()
})

it('reads again what the page had read before it listened', async () => {
  queryClient.setQueryData(['pool', 'list'], [])
  const ended = new AbortController()
  const silent = new ReadableStream({ start: stream => ended.signal.addEventListener('abort', () => stream.close()) })
  vi.stubGlobal('fetch', async () => new Response(silent, { headers: { 'content-type': 'text/event-stream' } }))
  const following = followEvents(ended.signal)
  await vi.waitFor(() => expect(queryClient.getQueryState(['pool', 'list'])?.isInvalidated).toBe(true))
  ended.abort()
  await following
})
