/** Asks another host for an image (image-server.ts), and shows who we are. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { HdcsError } from '../lib/errors.ts'
import { tlsIdentity } from './certificates.ts'
import type { CopyBytes, HostOptions } from './host.ts'

/** To connect, shake hands and say the first word. Shorter: a host whose disk is busy counts as away. */
const answerMs = 20_000

/** @param stateFolder where the host's certificate is kept (certificates.ts). */
export function copyFetcher(stateFolder: string): NonNullable<HostOptions['fetchCopy']> {
  return async (url, fromByte, signal) => {
    const { host } = new URL(url)
    const identity = tlsIdentity(stateFolder)
    if (!identity)
      throw new HdcsError('unreachable', 'This host has no certificate yet: no other host sends it images.')
    const headers = fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}
    const asking = request(url, { ...identity, minVersion: 'TLSv1.3', agent: false, headers, signal })
    const late = setTimeout(() => asking.destroy(new Error('no answer')), answerMs)
    try {
      asking.end()
      const [response] = (await once(asking, 'response')) as [IncomingMessage]
      // What breaks from here on is told by the stream of its bytes.
      asking.on('error', () => {})
      const answer = answerOf(response, fromByte)
      if (answer) return answer
      response.destroy()
      throw new HdcsError(
        'unreachable',
        `The host at ${host} ${refusals[response.statusCode ?? 0] ?? 'does not serve the image'}.`,
      )
    } catch (cause) {
      if (signal.aborted) throw new HdcsError('cancelled', 'The image is not wished any more.', { cause })
      if (cause instanceof HdcsError) throw cause
      throw new HdcsError('unreachable', `The host at ${host} does not answer, or is none of this installation.`, {
        cause,
      })
    } finally {
      clearTimeout(late)
    }
  }
}

const refusals: Record<number, string> = {
  404: 'does not have the image any more',
  503: 'serves as many as it can: it is asked again',
}

/** Null: no answer to what was asked. */
function answerOf(response: IncomingMessage, fromByte: number): CopyBytes | null {
  const { statusCode, headers } = response
  const sha256 = /^"([0-9a-f]{64})"$/.exec(headers.etag ?? '')?.[1]
  if (!sha256) return null
  const [, from, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
  if (statusCode === 200 && fromByte === 0)
    return { sizeBytes: Number(headers['content-length']), sha256, bytes: response }
  // Not satisfiable: what we have is longer than the image, and no byte follows.
  const fits = (statusCode === 206 && Number(from) === fromByte) || statusCode === 416
  return fits && total !== undefined ? { sizeBytes: Number(total), sha256, bytes: response } : null
}
