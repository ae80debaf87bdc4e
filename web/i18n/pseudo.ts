/** English made 40 % longer and accented: shows text that does not fit, and text that is not in the message files. */
const accents: Record<string, string> = {
  a: 'á',
  e: 'é',
  i: 'í',
  o: 'ó',
  u: 'ú',
  A: 'Á',
  E: 'É',
  I: 'Í',
  O: 'Ó',
  U: 'Ú',
}

function longer(text: string): string {
  const parts = text.split(/(\{\{\w+\}\})/)
  const plain = parts.map(part =>
    part.startsWith('{{') ? part : part.replace(/[aeiouAEIOU]/g, vowel => accents[vowel] ?? vowel),
  )
  const extra = Math.ceil(text.length * 0.4)
  const filler = 'ñandú lorem áp '.repeat(Math.ceil(extra / 15)).slice(0, extra)
  return `${plain.join('')}${text.length > 1 ? filler.trimEnd() : ''}`
}

export function pseudo<T extends object>(messages: T): T {
  const entries = Object.entries(messages).map(([key, value]) => [
    key,
    typeof value === 'string' ? longer(value) : pseudo(value as object),
  ])
  return Object.fromEntries(entries) as T
}
