/** What a host builds from Debian packages, by the scripts in images/. */
import { fileURLToPath } from 'node:url'
import { HdcsError } from '../lib/errors.ts'
import { exists } from './disks.ts'
import { type Folders, foldersRoom } from './folders.ts'
import type { Progress } from './host.ts'
import { runProgram } from './programs.ts'

/** A graphical desktop is built in two minutes, on a slow line in some more. Shorter: slow hosts never get one. */
const buildMs = 60 * 60_000
/** What a build needs beside its result, until the source says better. */
const recipes = {
  tiny: { bytes: 512 * 2 ** 20, name: 'The template “tiny”' },
  desktop: { bytes: 6 * 2 ** 30, name: 'The template “desktop”' },
  sealer: { bytes: 768 * 2 ** 20, name: 'The guest that seals disks of this kind' },
}
const progressLine = /^PROGRESS (\d{1,3}) (.*)$/

/** @throws HdcsError `template_unavailable` with the builder's last words; `storage_full`; `cancelled`. */
export async function recipeBuild(
  folders: Folders,
  recipe: keyof typeof recipes,
  out: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { bytes, name } = recipes[recipe]
  await foldersRoom(folders, bytes)
  const script = fileURLToPath(new URL(`../images/build-${recipe}.sh`, import.meta.url))
  if (!(await exists(script)))
    throw new HdcsError('template_unavailable', `${name} is not built by this version of HDCS.`)
  const result = await runProgram('bash', [script, out], {
    timeoutMs: buildMs,
    signal,
    env: { HDCS_CACHE: folders.cache, HDCS_NODE: process.execPath },
    onLine: line => {
      const [, percent, text] = progressLine.exec(line) ?? []
      if (percent && text) progress(Math.min(98, Number(percent)), text)
    },
  })
  if (result.code === 0 && (await exists(out))) return
  const last = result.errors.split('\n').at(-1) || `exit code ${result.code}`
  const text = `${name} could not be built: ${last} The host needs its package mirrors. Try again in the console.`
  throw new HdcsError('template_unavailable', text, { cause: result.errors })
}
