/** The server says its reasons in English. In Chinese they are looked up by that sentence; an unknown one stays as it came. */
import i18next from 'i18next'

/** The English sentence, `{}` for each value in it (`{n}`: a number) → the Chinese one, `{1}`, `{2}` for those values. */
export type Sentences = Readonly<Record<string, string>>

/** Of a sentence with values: what stands before, between and behind them. */
interface Template {
  first: string
  middle: readonly string[]
  last: string
  numbers: readonly boolean[]
  chinese: string
  /** Says too little of its own: it counts only where one of its values is a known sentence. */
  joins: boolean
}

/** Where a value stands. */
const slot = /\{n?\}/
/** Longer ones are logs. More: a page with hundreds of unknown ones would be slow. */
const mostLetters = 2_000
/** How many parts of one sentence are looked up. Fewer: long lists stay half English. More: nonsense costs time. */
const mostLookups = 30

/** @returns what stands for each value, the shortest that fits from the left; null: it is another sentence. */
function valuesOf({ first, middle, last, numbers }: Template, text: string): string[] | null {
  const end = text.length - last.length
  if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return null
  const values: string[] = []
  let from = first.length
  for (const piece of middle) {
    const at = text.indexOf(piece, from)
    if (at === -1 || at + piece.length > end) return null
    values.push(text.slice(from, at))
    from = at + piece.length
  }
  values.push(text.slice(from, end))
  return values.every((value, at) => !numbers[at] || /^[\d.,]+$/.test(value)) ? values : null
}

/** @returns what says a sentence of the table in Chinese. No names: a value of one word is never looked up. */
export function saidIn(table: Sentences): (text: string) => string {
  const sentences = new Map(Object.entries(table))
  const templates = Object.entries(table)
    .filter(([english]) => slot.test(english))
    .map(([english, chinese]): Template & { own: number } => {
      const [first = '', ...middle] = english.split(new RegExp(slot, 'g'))
      const last = middle.pop() ?? ''
      const numbers = (english.match(new RegExp(slot, 'g')) ?? []).map(each => each === '{n}')
      const own = [first, ...middle, last].join('')
      const joins = own.replace(/[^a-z]/gi, '').length < 4
      return { first, middle, last, numbers, chinese, own: own.length, joins }
    })
    .toSorted((one, other) => other.own - one.own)

  const known = (text: string, lookups: { left: number }): string | null => {
    const exact = sentences.get(text)
    if (exact !== undefined) return exact
    if (lookups.left-- <= 0) return null
    for (const template of templates) {
      const values = valuesOf(template, text)
      if (!values) continue
      const told = values.map(each => (/[ ,]/.test(each) ? known(each, lookups) : null))
      // What stands before it belongs to another sentence, which this one is a part of.
      if (template.first === '' && told[0] === null && /[:;,]/.test(values[0] ?? '')) continue
      if (template.joins && told.every(value => value === null)) continue
      const whole = template.chinese.replace(
        /\{(\d)\}/g,
        (_, at) => told[Number(at) - 1] ?? values[Number(at) - 1] ?? '',
      )
      // The space beside a name is none between two Chinese words.
      return whole.replace(/([\u4e00-\u9fff]) (?=[\u4e00-\u9fff])/g, '$1')
    }
    return null
  }
  return text => (text.length > mostLetters ? text : (known(text, { left: mostLookups }) ?? text))
}

let inChinese = (text: string): string => text
/** Chinese is fetched only by those who read it. */
export function saidTable(table: Sentences): void {
  inChinese = saidIn(table)
}

/** A sentence of the server in the language of the page. */
export function saidWord(text: string): string
export function saidWord(text: string | undefined): string | undefined
export function saidWord(text: string | null | undefined): string | null | undefined
export function saidWord(text: string | null | undefined): string | null | undefined {
  return text && i18next.language === 'zh' ? inChinese(text) : text
}
