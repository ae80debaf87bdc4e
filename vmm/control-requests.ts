/** What an agent asks its control plane over HTTP, beside the one line it holds (agent-socket.ts). */
import { HdcsError } from '../lib/errors.ts'
import type { OwnNetworks } from '../lib/routes.ts'
import type { CertificateAnswer, CertificateRequest } from './certificates.ts'
import type { OutFile } from './host.ts'

export interface Joined {
  hostId: string
  key: string
  installationId: string
}

export interface KnownHost {
  /** May differ from the machine's own, which may be taken. */
  name: string
  /** When its agent was last heard; null: never. */
  heardAt: string | null
}

/** The control plane answers such questions within moments; it may be busy starting. */
const answerMs = 30_000

/** Uses a join token up; asked again with the same key, it is answered as before. @throws HdcsError `forbidden` with the control plane's words; `unreachable`. */
export async function joinControl(
  controlUrl: string,
  ask: OwnNetworks & { token: string; hostName: string; key: string },
): Promise<Joined> {
  const response = await post(`${controlUrl}/api/v1/agents/join`, ask, {})
  const body: unknown = await response.json().catch(() => null) // told below as what it is: no answer of ours
  if (response.ok && isJoined(body)) return body
  throw new HdcsError('forbidden', detailOf(body) ?? `Joining was answered ${response.status}.`)
}

/** With a host's own key. */
export function controlRequests(controlUrl: string, key: string) {
  const authorization = { authorization: `Bearer ${key}` }
  return {
    /** As what the control plane knows the key's host; null: as none (any more). @throws HdcsError `unreachable`. */
    async me(): Promise<KnownHost | null> {
      const signal = AbortSignal.timeout(answerMs)
      const response = await send(`${controlUrl}/api/v1/agents/me`, { headers: authorization, signal })
      if (response.status === 401) return null
      const body: unknown = await response.json().catch(() => null) // told below as what it is: no answer of ours
      if (response.ok && isKnownHost(body)) return body
      throw new HdcsError('unreachable', `The control plane answered ${response.status}: try again in a moment.`)
    },
    /** @throws HdcsError `conflict` with the control plane's words; `unreachable`. */
    async certificate(ask: CertificateRequest): Promise<CertificateAnswer> {
      const response = await post(`${controlUrl}/api/v1/agents/certificate`, ask, authorization)
      const body: unknown = await response.json().catch(() => null) // told below as what it is: no answer of ours
      if (response.ok && isCertificate(body)) return body
      const why = detailOf(body) ?? `the control plane answered ${response.status}.`
      throw new HdcsError('conflict', `This host got no certificate: ${why}`)
    },
    /** @throws HdcsError `not_found`, `cancelled`, `unreachable`. */
    async fetchImage(id: string, fromByte: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
      const headers = { ...authorization, ...(fromByte > 0 && { range: `bytes=${fromByte}-` }) }
      const response = await send(`${controlUrl}/api/v1/agents/images/${id}`, { headers, signal })
      if (response.status === 404) throw new HdcsError('not_found', 'The uploaded file is gone: upload it again.')
      // All of it is here, or more than it.
      if (response.status === 416) return new Blob([]).stream()
      if (response.status !== (fromByte > 0 ? 206 : 200) || !response.body)
        throw new HdcsError('unreachable', `The control plane answered ${response.status} instead of the image.`)
      return response.body
    },
    /** @throws HdcsError `not_found`, `storage_full`, `cancelled`, `unreachable`. */
    async sendExport(id: string, { sizeBytes, sha256, open }: OutFile, signal: AbortSignal): Promise<void> {
      const content = { 'content-type': 'application/octet-stream', 'content-length': `${sizeBytes}` }
      const headers = { ...authorization, ...content, [sha256Header]: sha256 }
      const url = `${controlUrl}/api/v1/agents/exports/${id}`
      const response = await send(url, { method: 'PUT', headers, body: open(), duplex: 'half', signal })
      const body: unknown = await response.json().catch(() => null) // none when all is well
      if (response.ok) return
      const { status } = response
      const code = status === 404 ? 'not_found' : status === 507 ? 'storage_full' : 'unreachable'
      throw new HdcsError(code, detailOf(body) ?? `The control plane answered ${status} to the file.`)
    },
  }
}

/** Of the file that is sent, lower-case hex. */
const sha256Header = 'hdcs-sha256'

const post = (url: string, body: unknown, headers: Record<string, string>) =>
  send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answerMs),
  })

async function send(url: string, init: RequestInit & { signal: AbortSignal; duplex?: 'half' }): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (cause) {
    if (init.signal.aborted && init.signal.reason?.name !== 'TimeoutError')
      throw new HdcsError('cancelled', 'It is not wanted any more.')
    throw new HdcsError('unreachable', `The control plane does not answer at ${new URL(url).origin}.`, { cause })
  }
}

const isRecord = (body: unknown): body is Record<string, unknown> => typeof body === 'object' && body !== null
const isJoined = (body: unknown): body is Joined =>
  isRecord(body) && ['key', 'installationId', 'hostId'].every(field => typeof body[field] === 'string')
const isKnownHost = (body: unknown): body is KnownHost => isRecord(body) && typeof body.name === 'string'
const isCertificate = (body: unknown): body is CertificateAnswer =>
  isRecord(body) && typeof body.certificate === 'string' && typeof body.authority === 'string'
const detailOf = (body: unknown) => (isRecord(body) && typeof body.detail === 'string' ? body.detail : undefined)
