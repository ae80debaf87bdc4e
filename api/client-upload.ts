/** Sends a file of any size without holding it in memory. Browser-safe. */

import { type Answer, addressOf, type Sender } from './client.ts'
import { ApiError, apiErrorFrom, apiErrorOf } from './client-error.ts'
import { operations } from './operations.gen.ts'

export interface Upload {
  templateId: string
  number: number
  /** A `File` of a page, or a stream of a program. */
  file: Blob | ReadableStream<Uint8Array>
  /** Called while it goes; known only in pages. */
  onProgress?: (sentBytes: number) => void
  signal?: AbortSignal
}

/** @throws ApiError as every call. */
export async function sendFile(sender: Sender, upload: Upload): Promise<Answer<'versionUpload'>> {
  const [, path] = operations.versionUpload
  const address = addressOf(sender.baseUrl, path, { params: { id: upload.templateId, number: upload.number } })
  const headers = { ...sender.headers(true), 'content-type': 'application/octet-stream' }
  // `fetch` cannot tell how much has gone; only this older way can.
  if (typeof XMLHttpRequest !== 'undefined' && upload.file instanceof Blob)
    return sendWithProgress(address, headers, upload.file, upload)
  const response = await sender.fetch(address, {
    method: 'POST',
    headers,
    body: upload.file,
    ...(!(upload.file instanceof Blob) && { duplex: 'half' }),
    ...(upload.signal && { signal: upload.signal }),
    credentials: 'same-origin',
  } as RequestInit)
  if (!response.ok) throw await apiErrorOf(response)
  return response.json()
}

function sendWithProgress(
  address: string,
  headers: Record<string, string>,
  file: Blob,
  { onProgress, signal }: Upload,
): Promise<Answer<'versionUpload'>> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', address)
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = event => onProgress?.(event.loaded)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(JSON.parse(request.responseText))
      reject(apiErrorFrom(request.status, request.responseText, request.getResponseHeader('retry-after')))
    }
    request.onerror = () =>
      reject(new ApiError({ status: 0, code: 'unreachable', detail: 'The connection broke while the file was sent.' }))
    request.onabort = () => reject(signal?.reason)
    signal?.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}
