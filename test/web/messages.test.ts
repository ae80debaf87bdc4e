import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../lib/errors.ts'
import { en } from '../../web/i18n/en.ts'
import { pseudo } from '../../web/i18n/pseudo.ts'
import { zh } from '../../web/i18n/zh.ts'

type Tree = { [key: string]: string | Tree }
const flat = (tree: Tree, prefix = ''): [key: string, text: string][] =>
  Object.entries(tree).flatMap(([key, value]) =>
    typeof value === 'string' ? [[`${prefix}${key}`, value] as [string, string]] : flat(value, `${prefix}${key}.`),
  )
const english = new Map(flat(en))
const chinese = new Map(flat(zh))
const values = (text: string) => (text.match(/\{\{\w+\}\}/g) ?? []).toSorted()
const folder = join(import.meta.dirname, '../../web')
const components = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter(path => /\.tsx?$/.test(path) && !/^(dist|i18n)/.test(path))
  .map(path => ({ path, text: readFileSync(join(folder, path), 'utf8') }))

describe('the messages', () => {
  it('are the same set in both languages, with the same values in each', () => {
    expect([...chinese.keys()]).toEqual([...english.keys()])
    const differing = [...english].filter(([key, text]) => {
      const other = values(chinese.get(key) ?? '')
      // Chinese has one form for every number, and needs none of the number's words.
      return JSON.stringify(values(text)) !== JSON.stringify(other) && !key.endsWith('_one')
    })
    expect(differing).toEqual([])
  })

  it('say every code of the house in words', () => {
    expect(Object.keys(en.problem.code).toSorted()).toEqual([...errorCodes].toSorted())
  })

  it('are all used', () => {
    const source = components.map(({ text }) => text).join('\n')
    const built = [...source.matchAll(/`([a-zA-Z]+\.(?:[a-zA-Z]+\.)?)\$\{/g)].map(match => match[1] as string)
    const unused = [...english.keys()].filter(key => {
      const asked = key.replace(/_(one|other)$/, '')
      return !source.includes(`'${asked}'`) && !built.some(prefix => key.startsWith(prefix))
    })
    expect(unused).toEqual([])
  })

  it('never stand in a component', () => {
    // Words between tags, or in an attribute that people see or hear.
    const spoken =
      />\s*[A-Za-z][a-z]+ [a-z]+[^<>{}=;]*<|(?:label|title|placeholder|aria-label|description)="[A-Za-z ]+"/g
    const found = components
      .filter(({ path }) => path.endsWith('.tsx'))
      .flatMap(({ path, text }) => (text.match(spoken) ?? []).map(words => `${path}: ${words}`))
    expect(found).toEqual([])
  })

  it('grow by two fifths in the language that looks for text that does not fit, and keep their values', () => {
    const long = new Map(flat(pseudo(en) as Tree))
    for (const [key, text] of english) {
      const grown = long.get(key) ?? ''
      if (text.length > 5) expect(grown.length, key).toBeGreaterThanOrEqual(text.length * 1.3)
      expect(values(grown), key).toEqual(values(text))
    }
  })
})
