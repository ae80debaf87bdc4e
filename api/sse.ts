/** Server-sent events as a codec: bytes in, events out (WHATWG HTML §9.2). Browser-safe. */

export interface ServerEvent {
  /** The last id seen so far: what to resume with. */
  id: string
  event: string
  data: string
}

export interface EventParser {
  /** Takes whatever bytes came; returns the events they complete. */
  feed(bytes: Uint8Array): ServerEvent[]
}

/** A line above this is no event of ours: the stream is refused before memory is. */
const maxLineLength = 1_000_000

export function makeEventParser(): EventParser {
  const decoder = new TextDecoder()
  let rest = ''
  let id = ''
  let event = ''
  let data: string[] = []

  function line(text: string): ServerEvent | undefined {
    if (text === '') {
      const complete = data.length > 0 ? { id, event: event || 'message', data: data.join('\n') } : undefined
      event = ''
      data = []
      return complete
    }
    const colon = text.indexOf(':')
    if (colon === 0) return undefined // a comment: the heartbeat
    const name = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') data.push(value)
    else if (name === 'event') event = value
    else if (name === 'id' && !value.includes('\0')) id = value
    return undefined
  }

  return {
    feed(bytes) {
      rest += decoder.decode(bytes, { stream: true })
      // A carriage return at the very end may be half of a line's end: it waits for the next bytes.
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      if (rest.length > maxLineLength) throw new RangeError('a line of the event stream is too long')
      return lines.flatMap(text => line(text) ?? [])
    },
  }
}
