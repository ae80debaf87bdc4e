/** What a bare host needs to become one of ours: the script its line runs, and this program as an archive. Open to all. */
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Context, Hono } from 'hono'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import { problemResponse } from './errors.ts'
import { type Front, sourceOf } from './request.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What of our folder is the program. Whatever else lies there (data, keys, a `.git`) is nobody's business. */
const rooms = 'api auth bin broker cli db images lib scripts spice vmm web'.split(' ')
const papers = 'LICENSE README.md package-lock.json package.json tsconfig.json'.split(' ')
/** Kinds of files we ship; a key, a log or a disk image that somebody put into a room is none of them. */
const shipped =
  /\.(ts|tsx|css|html|json|md|sh|pl|png|svg|txt|S|awk|conf|desktop|dirs|ini|network|path|rules|service|theme|tint2rc|keep)$/
/** Programs and settings inside the guest images have names without an ending. */
const inGuest = /^images\/(tiny|desktop|sealer)\/.*\/?[a-z0-9-]+$/
const folderForm = /^(?!(node_modules|dist)$)([A-Za-z0-9_-][\w.@-]*|\.config)$/
const fileForm = /^([A-Za-z0-9_-][\w.@-]*|\.keep)$/

/** A shell reads the address within quotes; what a client says of its host is not trusted with more. */
const originForm = /^https?:\/\/[\w.:[\]-]+(\/[\w.~/-]*)?$/
/** Far above the program's own size: a megabyte. */
const archiveMaxBytes = 64 * 2 ** 20

export function mountJoin(app: Hono, front: Front): void {
  app.get('/join', async context => {
    const { origin } = sourceOf(context, front)
    if (!originForm.test(origin)) {
      const error = new HdcsError('invalid', 'This is no address that a host could use: set HDCS_PUBLIC_URL.')
      return problemResponse(error, context.get('requestId'))
    }
    const script = await readFile(join(root, 'scripts/join.sh'), 'utf8')
    const headers = { 'content-type': 'text/x-shellscript; charset=utf-8', 'cache-control': 'no-store' }
    return context.body(script.replace('CONTROL_URL', origin), 200, headers)
  })
  // Kept: it is the program that runs, made once, whoever asks how often.
  let kept: Promise<Buffer<ArrayBuffer>> | undefined
  app.get('/join/hdcs.tar.gz', async (context: Context) => {
    kept ??= programArchive(root)
    try {
      return context.body(await kept, 200, { 'content-type': 'application/gzip', 'cache-control': 'no-store' })
    } catch (error) {
      kept = undefined
      return problemResponse(
        asHdcsError(error, 'The archive could not be made: is tar there?'),
        context.get('requestId'),
      )
    }
  })
}

/** The program in a folder as `.tar.gz`; the same files give the same bytes. */
export async function programArchive(folder: string): Promise<Buffer<ArrayBuffer>> {
  const found = await Promise.all(rooms.map(room => filesOf(folder, room)))
  const names = [...papers, ...found.flat().sort()]
  const same = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX', '--mtime=@0', '--no-recursion']
  const args = [
    '--create',
    '--gzip',
    '--directory',
    folder,
    ...same,
    '--null',
    '--verbatim-files-from',
    '--files-from=-',
  ]
  return new Promise((resolve, reject) => {
    const settings = { encoding: 'buffer', maxBuffer: archiveMaxBytes } as const
    const child = execFile('tar', args, settings, (error, bytes) =>
      error ? reject(error) : resolve(Buffer.from(bytes)),
    )
    // It may end before it read all: told by how it ended.
    child.stdin?.on('error', () => {})
    child.stdin?.end(names.map(name => `${name}\0`).join(''))
  })
}

/** Files alone: a link may lead anywhere. */
async function filesOf(folder: string, path: string): Promise<string[]> {
  const entries = await readdir(join(folder, path), { withFileTypes: true })
  const lists = entries.map(async entry => {
    const inner = `${path}/${entry.name}`
    if (entry.isDirectory()) return folderForm.test(entry.name) ? filesOf(folder, inner) : []
    return entry.isFile() && fileForm.test(entry.name) && (shipped.test(inner) || inGuest.test(inner)) ? [inner] : []
  })
  return (await Promise.all(lists)).flat()
}
