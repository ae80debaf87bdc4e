/** Where a disk that is sent meets the host that fetches it: what `/api/v1/agents/disks/{moveId}` is, in a test. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

export function diskMeeting(): RequestListener {
  const waiting = new Map<string, { request: IncomingMessage; response: ServerResponse }>()
  return (request, response) => {
    const moveId = request.url?.split('/').at(-1) ?? ''
    const other = waiting.get(moveId)
    if (!other || other.request.method === request.method) {
      waiting.set(moveId, { request, response })
      return
    }
    waiting.delete(moveId)
    const [put, get] = request.method === 'PUT' ? [{ request, response }, other] : [other, { request, response }]
    get.response.writeHead(200, { 'content-length': put.request.headers['content-length'] ?? '0' })
    put.request.pipe(get.response)
    get.response.on('finish', () => put.response.writeHead(204).end())
  }
}
