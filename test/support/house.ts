/** The source files of the house and what each of them imports, read from the text. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

const skipped = new Set(['node_modules', 'dist', 'out', 'fixtures', 'work'])

export interface Import {
  /** Path from the root for our own files, else the package or `node:` name. */
  target: string
  own: boolean
  /** Gone at run time. */
  typeOnly: boolean
}

export interface Source {
  path: string
  text: string
  imports: Import[]
}

export function sources(): Source[] {
  const found: Source[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || skipped.has(entry.name)) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (/\.(ts|tsx|sh)$/.test(entry.name)) found.push(read(path))
    }
  }
  walk('.')
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  return { path, text, imports: path.endsWith('.sh') ? [] : importsOf(path, text) }
}

const importForms = [
  /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;()]*?\sfrom\s+)?['"]([^'"]+)['"]/gm,
  /\bimport\((\s*)['"]([^'"]+)['"]/g,
  /\bnew URL\((\s*)['"](\.[^'"]+\.tsx?)['"]/g,
]

export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text)
  return importForms.flatMap(form =>
    [...code.matchAll(form)].map(([whole, mark, name]) => {
      const own = /^\.{1,2}(\/|$)/.test(name as string)
      const target = own ? relative('.', normalize(join(dirname(path), name as string))) : (name as string)
      const listed = whole.match(/\{([^}]*)\}\s*from/)?.[1]
      const onlyTypes =
        listed !== undefined && listed.trim() !== '' && listed.split(',').every(one => /^\s*(type\s|$)/.test(one))
      return { target, own, typeOnly: mark?.trim() === 'type' || (onlyTypes && !/import\s+\w+\s*,/.test(whole)) }
    }),
  )
}

/** Everything that runs when `entry` runs, with the way that leads there; packages and `node:` modules included. */
export function reached(entry: string, all: Map<string, Source>): Map<string, string[]> {
  const ways = new Map<string, string[]>([[entry, [entry]]])
  for (const [path, way] of ways) {
    for (const { target, typeOnly } of all.get(path)?.imports ?? []) {
      if (!typeOnly && !ways.has(target)) ways.set(target, [...way, target])
    }
  }
  return ways
}

const commentsAndStrings =
  /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
const blank = (part: string) => part.replace(/[^\n]/g, ' ')

/** The text with comments and strings blanked; line numbers stay. */
export function codeOnly(text: string): string {
  return text.replace(commentsAndStrings, blank)
}

function withoutComments(text: string): string {
  return text.replace(commentsAndStrings, part => (part.startsWith('/') ? blank(part) : part))
}

/** `path:line` of every match; `text` may be the file's own or `codeOnly` of it. */
export function places(source: Source, text: string, pattern: RegExp): { at: string; line: number }[] {
  return [...text.matchAll(pattern)].map(match => {
    const line = text.slice(0, match.index).split('\n').length
    return { at: `${source.path}:${line}`, line }
  })
}

/** Whether somebody wrote a comment on this line, the one before or the one after. */
export function explained(source: Source, line: number): boolean {
  return source.text
    .split('\n')
    .slice(Math.max(0, line - 2), line + 1)
    .some(text => /\/\/|\/\*|^\s*\*|#/.test(text))
}
