/** Reads the English sentences out of a TypeScript source: its texts of two words or more that begin in lower case or with a value. */

/** Before these a slash begins a pattern, not a division. */
const beforePattern = /[=(,:?!&|[{;>]\s*$/

/** @returns the text of a literal that begins at `at`, `{}` for each value, what is written in those values, and where it ends. */
function literalAt(source: string, at: number): { text: string; inner: string; end: number } {
  const quote = source[at]
  let text = ''
  let inner = ''
  let next = at + 1
  while (next < source.length && source[next] !== quote) {
    if (source[next] === '\\') {
      text += source[next + 1] ?? ''
      next += 2
    } else if (quote === '`' && source.startsWith('${', next)) {
      const end = valueEnd(source, next + 2)
      text += '{}'
      inner += `${source.slice(next + 2, end)};`
      next = end + 1
    } else text += source[next++]
  }
  return { text, inner, end: next + 1 }
}

function valueEnd(source: string, from: number): number {
  let depth = 0
  let at = from
  while (at < source.length && (depth > 0 || source[at] !== '}')) {
    const letter = source[at] ?? ''
    if (/['"`]/.test(letter)) at = literalAt(source, at).end
    else {
      depth += letter === '{' ? 1 : letter === '}' ? -1 : 0
      at++
    }
  }
  return at
}

/** What is not code: a comment or a pattern that begins at `at`. Undefined: neither. */
function skipped(source: string, at: number): number | undefined {
  if (source.startsWith('//', at)) return source.indexOf('\n', at)
  if (source.startsWith('/*', at)) return source.indexOf('*/', at) + 2
  if (source[at] !== '/' || !beforePattern.test(source.slice(Math.max(0, at - 20), at))) return undefined
  const pattern = /^\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+\/[a-z]*/.exec(source.slice(at, at + 2_000))
  return pattern ? at + pattern[0].length : undefined
}

/** Those of values (`a ${b ? 'c d' : ''}`) too, by themselves. */
export function sentencesIn(source: string): string[] {
  const found: string[] = []
  let at = 0
  while (at < source.length) {
    const past = skipped(source, at)
    if (past !== undefined) at = past
    else if (/['"`]/.test(source[at] ?? '')) {
      const { text, inner, end } = literalAt(source, at)
      if (/^(?:[a-z]|\{\})/.test(text) && /[a-z]{2,} [a-z{]|\} [a-z]/.test(text)) found.push(text)
      if (inner) found.push(...sentencesIn(inner))
      at = end
    } else at++
  }
  return [...new Set(found)]
}
