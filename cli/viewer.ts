/** What opens a screen from a viewer file: remote-viewer where there is one and a screen, else whoever gets the file. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'

/** @param save where the file goes instead of opening it; `-` for standard output. */
export async function screenShow(context: Context, name: string, viewerFile: string, save?: string): Promise<void> {
  const viewer = save === undefined && hasScreen(context.env) ? programFind(context.env, 'remote-viewer') : undefined
  if (save === '-') return context.print(viewerFile.trimEnd())
  if (!viewer) {
    const file = save ?? `${name}.vv`
    // It opens the desktop for whoever reads it within the next minute.
    writeFileSync(file, viewerFile, { mode: 0o600 })
    return answer(context, { file }, () => `saved ${file}; open it within a minute: remote-viewer ${file}`)
  }
  const folder = mkdtempSync(join(tmpdir(), 'hdcs-'))
  try {
    const file = join(folder, `${name}.vv`)
    writeFileSync(file, viewerFile, { mode: 0o600 })
    context.terminal.note(`opening ${name} in remote-viewer …\n`)
    await run(viewer, [file], context.signal)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const hasScreen = (env: Context['env']) => Boolean(env.DISPLAY || env.WAYLAND_DISPLAY)

function programFind(env: Context['env'], program: string): string | undefined {
  return (env.PATH ?? '')
    .split(delimiter)
    .map(folder => join(folder, program))
    .find(path => existsSync(path))
}

function run(program: string, args: string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], signal })
    child.once('error', cause => reject(new HdcsError('start_failed', `${program} did not start.`, { cause })))
    child.once('exit', code =>
      code === 0
        ? resolve()
        : reject(new HdcsError('start_failed', `remote-viewer ended with ${code}; try: --save FILE`)),
    )
  })
}
