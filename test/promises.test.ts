/** SPECIFICATION.md is a list of promises; each names what proves it, and that must be there. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './support/house.ts'

interface Promised {
  number: string
  promise: string
  /** `test/x.test.ts: title`, or a file of bench/. */
  proofs: string[]
}

/** Rows `| 5.3 | promise | proof |`; proofs are in backquotes. */
const rows: Promised[] = [
  ...readFileSync(join(root, 'SPECIFICATION.md'), 'utf8').matchAll(/^\| *(\d+\.\d+) *\|(.+)\|(.+)\| *$/gm),
].map(([, number = '', promise = '', proof = '']) => ({
  number,
  promise: promise.trim(),
  proofs: [...proof.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
}))

const texts = new Map<string, string>()
function textOf(path: string): string {
  const text = texts.get(path) ?? readFileSync(join(root, path), 'utf8').replace(/\\'/g, "'")
  texts.set(path, text)
  return text
}

/** Why a proof proves nothing, or null. */
function missing(proof: string): string | null {
  const [path = '', title] = proof.split(/: (.*)/s)
  if (!/^(test|bench)\//.test(path) || !existsSync(join(root, path))) return `${path} is not there`
  if (path.startsWith('test/') && title === undefined) return `${proof} names no title`
  return title === undefined || textOf(path).includes(title) ? null : `${path} has no test “${title}”`
}

/** Chapters of many parts: each part begins at 11, 21, 31 … */
const byTens = ['13']

/** The numbers as they should be: each the one before and one more, or the beginning of a later part. */
const expectedAfter = (chapter: string, numbers: number[]) =>
  numbers.map((number, index) => {
    const before = numbers[index - 1] ?? 0
    const begins = byTens.includes(chapter) && number % 10 === 1 && number > before
    return `${chapter}.${begins ? number : before + 1}`
  })

describe('SPECIFICATION.md', () => {
  it('numbers its promises without a gap or a repetition', () => {
    const chapters = Map.groupBy(rows, ({ number }) => number.split('.')[0])
    expect(rows.length).toBeGreaterThan(0)
    for (const [chapter = '', inside] of chapters) {
      const numbers = inside.map(({ number }) => Number(number.split('.')[1]))
      expect(numbers.map(number => `${chapter}.${number}`)).toEqual(expectedAfter(chapter, numbers))
    }
  })

  it.each(rows.map(row => [row.number, row.promise, row.proofs] as const))(
    'proves %s: %s',
    (_number, _promise, proofs) => {
      expect(proofs.length, 'names a test or a bench').toBeGreaterThan(0)
      expect(proofs.map(missing).filter(Boolean)).toEqual([])
    },
  )
})
