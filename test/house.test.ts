/** The house's own rules, as far as a program can see them. The plan they follow stands in docs/architecture.md. */
import { describe, expect, it } from 'vitest'
import { codeOnly, explained, type Import, importsOf, places, reached, type Source, sources } from './support/house.ts'

const all = sources()
const byPath = new Map(all.map(source => [source.path, source]))
const room = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '')
const product = all.filter(({ path }) => !['test', 'bench', 'scripts', ''].includes(room(path)))
const typescript = all.filter(({ path }) => !path.endsWith('.sh'))

type Rule = (target: string, typeOnly: boolean) => boolean
const rooms =
  (...names: string[]): Rule =>
  target =>
    names.includes(room(target))
const machineWords: Rule = (target, typeOnly) => typeOnly && /^vmm\/(spec|report|protocol)\.ts$/.test(target)
const client: Rule = target => /^api\/(client|[\w-]+\.gen)\.ts$/.test(target) || target === 'api/openapi.json'
/** What the API answers with, as types: nothing of it is there at run time. */
const answers: Rule = (target, typeOnly) => typeOnly && (room(target) === 'api' || target === 'auth/policy.ts')
const either =
  (...rules: Rule[]): Rule =>
  (target, typeOnly) =>
    rules.some(rule => rule(target, typeOnly))

/** Who may import whom besides itself. Rooms that are not named here (bin, test, bench, scripts) may import all. */
const mayImport: Record<string, Rule> = {
  web: either(client, answers, rooms('spice', 'lib')),
  cli: either(client, answers, rooms('spice', 'lib')),
  api: rooms('broker', 'monitor', 'billing', 'auth', 'lib'),
  broker: either(rooms('db', 'auth', 'lib'), machineWords),
  monitor: either(rooms('db', 'auth', 'lib'), machineWords),
  billing: rooms('db', 'lib'),
  auth: rooms('db', 'lib'),
  spice: either(target => target === 'auth/tickets.ts', rooms('lib')),
  vmm: rooms('lib'),
  images: rooms('lib'),
  db: either(rooms('lib'), machineWords),
  lib: () => false,
}

/** Longer than the wall because they are lists: splitting them would only hide that they are complete. */
const longTables = [/\.gen\.ts$/, /^web\/i18n\/(en|zh)\.ts$/]

const wrong = (found: { at: string }[]) => found.map(({ at }) => at)
const everywhere = (files: Source[], pattern: RegExp) =>
  files.flatMap(source => places(source, codeOnly(source.text), pattern))

describe('the house', () => {
  it('lets every room import only from the rooms below it', () => {
    const crossing = (source: Source) => (one: Import) =>
      one.own &&
      room(one.target) !== room(source.path) &&
      mayImport[room(source.path)]?.(one.target, one.typeOnly) === false
    const found = all.flatMap(source =>
      source.imports.filter(crossing(source)).map(({ target }) => `${source.path} imports ${target}`),
    )
    expect(found).toEqual([])
  })

  it('keeps Node out of everything a browser loads', () => {
    const entries = typescript.filter(({ path }) => room(path) === 'web' && !path.endsWith('vite.config.ts'))
    const found = entries.flatMap(({ path }) =>
      [...reached(path, byPath)]
        .filter(([target]) => target.startsWith('node:') || target === 'ws' || target === 'pino')
        .map(([, way]) => way.join(' → ')),
    )
    expect([...new Set(found)]).toEqual([])
  })

  it.each(['bin/agent.ts', 'bin/gateway.ts'])('keeps the database out of reach of %s', entry => {
    expect(byPath.has(entry)).toBe(true)
    const found = [...reached(entry, byPath)]
      .filter(([target]) => room(target) === 'db' || target === 'pg' || target === 'kysely')
      .map(([, way]) => way.join(' → '))
    expect(found).toEqual([])
  })

  it('asks the database only from its own room', () => {
    const outside = product.filter(({ path }) => room(path) !== 'db' && !path.endsWith('.sh'))
    const builders = /\.(selectFrom|insertInto|updateTable|deleteFrom|mergeInto)\(|\bsql\s*(<[^>]*>)?`/g
    const imported = outside.filter(({ imports }) =>
      imports.some(({ target }) => target === 'pg' || target === 'kysely'),
    )
    expect([...wrong(everywhere(outside, builders)), ...imported.map(({ path }) => path)]).toEqual([])
  })

  it('has no file longer than 400 lines, lists aside', () => {
    const long = all
      .filter(({ path }) => !longTables.some(table => table.test(path)))
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    expect(long.filter(({ lines }) => lines > 400)).toEqual([])
  })

  it('names files by what is in them', () => {
    const drawers = /(^|\/)(utils?|helpers?|types|common|misc|services?|managers?)(\.tsx?|\/)/
    expect(all.map(({ path }) => path).filter(path => drawers.test(path))).toEqual([])
  })

  it('says no `any` and makes no enum', () => {
    const anything = /(?:[:<,|&]|\bas|=>)\s*any\b(?!\s*[:(])|\bany\[\]/g
    expect(wrong(everywhere(typescript, anything))).toEqual([])
    expect(wrong(everywhere(typescript, /^\s*(export\s+)?(const\s+)?enum\s+\w/gm))).toEqual([])
  })

  it('promises no later work in comments', () => {
    // Put together from pieces, or this line would be found.
    const promised = new RegExp(`\\b(${['TO', 'FIX'].join('DO|')}ME|X{3})\\b`, 'g')
    expect(wrong(all.flatMap(source => places(source, source.text, promised)))).toEqual([])
  })

  it('catches nothing without saying why', () => {
    const empty = /catch\s*(\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\s*\w*\s*\)\s*=>\s*(\{\s*\}|undefined|void 0)\s*\)/g
    const found = typescript.flatMap(source =>
      places(source, codeOnly(source.text), empty).filter(({ line }) => !explained(source, line)),
    )
    expect(wrong(found)).toEqual([])
  })

  it('skips no test without a reason beside it, and keeps none alone', () => {
    const tests = typescript.filter(({ path }) => room(path) === 'test')
    const skips = /\b(it|test|describe)(\.\w+)*\.(skip|skipIf|runIf|todo|fails)\b/g
    const silent = tests.flatMap(source =>
      places(source, codeOnly(source.text), skips).filter(({ line }) => !explained(source, line)),
    )
    expect(wrong(silent)).toEqual([])
    expect(wrong(everywhere(tests, /\b(it|test|describe)(\.\w+)*\.only\b/g))).toEqual([])
  })
})

describe('the reader of imports', () => {
  it.each([
    ["import { a } from '../lib/log.ts'", 'lib/log.ts', false],
    ["import type { A } from './a.ts'", 'db/a.ts', true],
    ["import { type A, type B } from './a.ts'", 'db/a.ts', true],
    ["import { type A, b } from './a.ts'", 'db/a.ts', false],
    ["import x, { type A } from './a.ts'", 'db/a.ts', false],
    ["import {\n  a,\n  b,\n} from './a.ts'", 'db/a.ts', false],
    ["import './a.ts'", 'db/a.ts', false],
    ["/* import './b.ts' */ // import './c.ts'\nimport './a.ts'", 'db/a.ts', false],
    ["export * from './a.ts'", 'db/a.ts', false],
    ["export type { A } from './a.ts'", 'db/a.ts', true],
    ["const a = await import('./a.ts')", 'db/a.ts', false],
    ["new Worker(new URL('./a.ts', import.meta.url))", 'db/a.ts', false],
  ])('reads %s', (text, target, typeOnly) => {
    expect(importsOf('db/here.ts', text)).toEqual([{ target, own: true, typeOnly }])
  })

  it('tells packages from our own files', () => {
    expect(importsOf('db/here.ts', "import pg from 'pg'")).toEqual([{ target: 'pg', own: false, typeOnly: false }])
  })
})
