/** Reads bodies without trusting what their headers say. */
import { HdcsError } from '../lib/errors.ts'
import { sizeText } from '../lib/sizes.ts'

/** The largest answer of our own pages (10,000 entitlements) has 400 kB. */
export const maxJsonBytes = 1_000_000
/** A megabyte over a bad line takes that long; who sends a byte a minute holds a place that others need. */
const patienceMs = 30_000

/** @throws HdcsError `too_large`, `unsupported` (not JSON by its type), `invalid` (not JSON by its content). */
export async function readJson(request: Request): Promise<{ text: string; value: unknown }> {
  const text = await readText(request, maxJsonBytes)
  // No body at all is an empty object: fields with defaults need nothing said.
  if (text === '') return { text, value: {} }
  const type = request.headers.get('content-type') ?? ''
  // A plain form of a foreign page cannot send this type: the browser would ask us first, and we would not answer.
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(type))
    throw new HdcsError('unsupported', 'Send JSON with content-type: application/json.')
  try {
    return { text, value: JSON.parse(text) }
  } catch (cause) {
    throw new HdcsError('invalid', 'The body is not JSON.', { cause, fields: [{ field: 'body', message: 'not JSON' }] })
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  if (!request.body) return ''
  const reader = request.body.getReader()
  const late = setTimeout(() => reader.cancel(new Error('late')), patienceMs)
  const started = performance.now()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      bytes += value.byteLength
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      text += decoder.decode(value, { stream: true })
    }
  } finally {
    clearTimeout(late)
  }
  if (performance.now() - started >= patienceMs) throw new HdcsError('timeout', 'The body did not come in time.')
  return text + decoder.decode()
}

export function tooLarge(maxBytes: number): HdcsError {
  return new HdcsError('too_large', `The body may have ${sizeText(maxBytes)} at most.`)
}
