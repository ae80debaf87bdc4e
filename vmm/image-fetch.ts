/** Asks another host for an image (image-server.ts), and shows who we are. */
import { HdcsError } from '../lib/errors.ts'
import { tlsIdentity } from './certificates.ts'
import type { CopyBytes, HostOptions } from './host.ts'
import { type TlsAnswer, tlsGet } from './tls-get.ts'

/** @param stateFolder where the host's certificate is kept (certificates.ts). */
export function copyFetcher(stateFolder: string): NonNullable<HostOptions['fetchCopy']> {
  return async (url, fromByte, signal) => {
    const { host } = new URL(url)
    const identity = tlsIdentity(stateFolder)
    if (!identity)
      throw new HdcsError('unreachable', 'This host has no certificate yet: no other host sends it images.')
    const headers: Record<string, string> = fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}
    const answer = await tlsGet(url, headers, { ...identity, minVersion: 'TLSv1.3' }, signal).catch(cause => {
      if (signal.aborted) throw new HdcsError('cancelled', 'The image is not wished any more.', { cause })
      const text = `The host at ${host} does not answer, or is none of this installation.`
      throw new HdcsError('unreachable', text, { cause })
    })
    const bytes = bytesOf(answer, fromByte)
    if (bytes) return bytes
    answer[Symbol.dispose]()
    throw new HdcsError('unreachable', `The host at ${host} ${refusals[answer.status] ?? 'does not serve the image'}.`)
  }
}

const refusals: Record<number, string> = {
  404: 'does not have the image any more',
  503: 'serves as many as it can: it is asked again',
}

/** Null: no answer to what was asked. */
function bytesOf({ status, headers, body, ...line }: TlsAnswer, fromByte: number): CopyBytes | null {
  const sha256 = /^"([0-9a-f]{64})"$/.exec(headers.get('etag') ?? '')?.[1]
  if (!sha256) return null
  const [, from, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? []
  // Not satisfiable: what we have is longer than the image, and no byte follows.
  const fits = (status === 206 && Number(from) === fromByte) || status === 416
  const sizeBytes = Number(status === 200 && fromByte === 0 ? headers.get('content-length') : fits ? total : Number.NaN)
  return Number.isSafeInteger(sizeBytes) ? { ...line, sizeBytes, sha256, bytes: body } : null
}
