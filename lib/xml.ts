/** XML by a template that escapes whatever is put into it: names and paths cannot become elements. */
import { HdcsError } from './errors.ts'

/** A piece of XML that is right already. Made by `xml` alone. */
export interface Xml {
  readonly xml: string
}

type Value = Xml | string | number | null | undefined | false | readonly (Xml | null | false)[]

/** What XML 1.0 cannot hold, escaped or not: control characters and halves of surrogate pairs. */
const impossible = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u

function escaped(text: string): string {
  if (impossible.test(text)) throw new HdcsError('invalid', 'A text holds characters that XML cannot carry.')
  return text.replace(/[&<>"'\r\n\t]/g, character => `&#${character.charCodeAt(0)};`)
}

function write(value: Value): string {
  if (value === null || value === undefined || value === false) return ''
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value))
  return 'xml' in value ? value.xml : value.map(write).join('')
}

/**
 * xml`<name>${text}</name>`: texts and numbers are escaped, other pieces are put in as they are, nothing is written
 * for null and false.
 * @throws HdcsError `invalid` for characters that XML cannot carry.
 */
export function xml(parts: TemplateStringsArray, ...values: Value[]): Xml {
  return { xml: parts.reduce((all, part, index) => all + part + write(values[index]), '') }
}
