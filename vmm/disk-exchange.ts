/** Stopped disks on their way between hosts, through the control plane: `PUT` and `GET /api/v1/agents/disks/{moveId}`. */
import { HdcsError } from '../lib/errors.ts'
import type { DiskExchange } from './moved-disks.ts'

/** @param controlUrl `http(s)://…` @param key the agent's own. */
export function httpDiskExchange({ controlUrl, key }: { controlUrl: string; key: string }): DiskExchange {
  const url = (moveId: string) => `${controlUrl}/api/v1/agents/disks/${moveId}`
  const authorization = `Bearer ${key}`

  return {
    async diskSend(moveId, sizeBytes, content, signal) {
      const headers = { authorization, 'content-type': 'application/octet-stream', 'content-length': `${sizeBytes}` }
      await ask(url(moveId), { method: 'PUT', headers, body: content, duplex: 'half', signal })
    },
    async diskFetch(moveId, signal) {
      const response = await ask(url(moveId), { headers: { authorization }, signal })
      const sizeBytes = Number(response.headers.get('content-length') ?? Number.NaN)
      if (!response.body || !Number.isSafeInteger(sizeBytes))
        throw new HdcsError('unreachable', 'The control plane does not say how large the disk is.')
      return { sizeBytes, content: response.body }
    },
  }
}

/** @throws HdcsError `unreachable` whatever the reason: the other side may only not be there yet, and it is tried again. */
async function ask(url: string, init: RequestInit & { duplex?: 'half' }): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, init)
  } catch (cause) {
    if (init.signal?.aborted) throw new HdcsError('cancelled', 'The move was cancelled.')
    throw new HdcsError('unreachable', `The disk did not get through ${new URL(url).origin}.`, { cause })
  }
  if (response.ok) return response
  await response.body?.cancel()
  if (response.status === 404) throw new HdcsError('conflict', 'The control plane knows of no such move any more.')
  throw new HdcsError('unreachable', `The control plane answered ${response.status} instead of the disk.`)
}
