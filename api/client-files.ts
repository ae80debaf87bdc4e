/** What is asked of files beside their upload: what one says of itself, and where one is fetched. Browser-safe. */
import { type Answer, addressOf, type Sender } from './client.ts'
import { ApiError, apiErrorOf, unanswered } from './client-error.ts'
import { operations } from './operations.gen.ts'

/** lib/template-file.ts's `headBytes`: what a file says of itself stands within. */
export const inspectedBytes = 2 ** 20 + 16 * 512

/** @param head the file's first `inspectedBytes`, or all of a shorter one. @throws ApiError as every call. */
export async function inspectFile(sender: Sender, head: Blob): Promise<Answer<'templateFileInspect'>> {
  const [, path] = operations.templateFileInspect
  const response = await sender
    .fetch(addressOf(sender.baseUrl, path, {}), {
      method: 'POST',
      headers: { ...sender.headers(true), 'content-type': 'application/octet-stream' },
      body: head,
      credentials: 'same-origin',
    })
    .catch(unanswered())
  if (!response.ok) throw await apiErrorOf(response)
  return response.json()
}

type Format = Answer<'exportMake'>['template']['versions'][number]['exports'][number]['format']

export interface ExportAsk {
  templateId: string
  number: number
  format: Format
}

/** For a link of a page. */
export const exportAddress = (baseUrl: string, { templateId, ...rest }: ExportAsk): string =>
  addressOf(baseUrl, operations.exportDownload[1], { params: { id: templateId, ...rest } })

/** The bytes of an exported file, from one on. @throws ApiError as every call. */
export async function fetchExport(
  sender: Sender,
  ask: ExportAsk & { fromByte: number; sha256: string },
): Promise<ReadableStream<Uint8Array>> {
  const { fromByte, sha256, ...which } = ask
  const range = fromByte > 0 ? { range: `bytes=${fromByte}-`, 'if-range': `"${sha256}"` } : {}
  const response = await sender
    .fetch(exportAddress(sender.baseUrl, which), { headers: { ...sender.headers(false), ...range } })
    .catch(unanswered())
  if (!response.ok || !response.body) throw await apiErrorOf(response)
  const fits = fromByte === 0 || response.status === 206
  if (fits) return response.body
  await response.body.cancel()
  throw new ApiError({ status: 409, code: 'conflict', detail: 'The file is another one by now: fetch it anew.' })
}

export interface Screenshot {
  png: Blob
  takenAt: Date
}

/** What a machine's screen shows. @throws ApiError as every call. */
export async function fetchScreenshot(sender: Sender, id: string, signal?: AbortSignal): Promise<Screenshot> {
  const response = await sender
    .fetch(addressOf(sender.baseUrl, operations.screenshotGet[1], { params: { id } }), {
      headers: sender.headers(false),
      credentials: 'same-origin',
      ...(signal && { signal }),
    })
    .catch(unanswered(signal))
  if (!response.ok) throw await apiErrorOf(response)
  // By the age: the two clocks need not agree.
  const ageMs = Number(response.headers.get('age') ?? 0) * 1000
  return { png: await response.blob(), takenAt: new Date(Date.now() - ageMs) }
}
