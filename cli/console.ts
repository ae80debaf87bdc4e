/** A machine's screen and its serial port, for administrators. */
import { writeFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { WebSocket } from 'ws'
import { HdcsError } from '../lib/errors.ts'
import { closeCodes } from '../spice/close-codes.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { screenShow } from './viewer.ts'

/** Ctrl-], as telnet and virsh have it. */
const leaveKey = 0x1d
/** Bytes on their way to the machine. Higher: a paste that cannot be stopped; lower: a paste stutters. */
const highWaterBytes = 1 << 16

/** Where keys come from and text goes to. */
export interface Ends {
  input: Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown }
  output: Writable
}

/** The serial port of a desktop in this terminal, until Ctrl-]; whoever had it loses it. */
export async function desktopConsole(context: Context, name: string): Promise<void> {
  const { client, terminal, signal } = context
  const desktop = await desktopFind(context, name)
  const { webSocketUrl } = await client.desktopConsole({ params: { id: desktop.id } })
  const ends = { input: process.stdin, output: process.stdout }
  terminal.note(`console of ${desktop.name}${ends.input.isTTY ? ': Ctrl-] leaves, Enter if nothing shows' : ''}\n`)
  await consoleRun(webSocketUrl, ends, signal)
  terminal.note(`\nleft the console of ${desktop.name}\n`)
}

/** Why it is over, where the gateway's code says so. */
const overWords: Record<number, string> = {
  [closeCodes.desktopClosed]: 'The machine closed its serial port: it was shut down, or somebody took it on its host.',
  [closeCodes.linkFailed]: 'The host of the desktop did not come: look whether it reaches the gateway.',
  [closeCodes.kicked]: 'It was open for too long: open it again.',
  [closeCodes.gatewayClosing]: 'The server is being restarted: open it again in a moment.',
  [closeCodes.taken]: 'Somebody else opened it. Opening it again takes it from them.',
}

/**
 * Every key goes to the machine but the one that leaves; neither side is sent more than it takes. The end of a pipe is no
 * reason to leave: what the machine answers is still to come.
 * @throws HdcsError `unreachable`: why it is over, unless it was left; `cancelled` by the signal.
 */
export async function consoleRun(url: string, { input, output }: Ends, signal: AbortSignal): Promise<void> {
  const socket = new WebSocket(url)
  const over = Promise.withResolvers<{ code: number; reason: string } | 'left'>()
  let full = false
  const sent = () => {
    if (!full || socket.bufferedAmount > highWaterBytes / 2) return
    full = false
    input.resume()
  }
  const keys = (typed: Buffer) => {
    const at = typed.indexOf(leaveKey)
    const meant = at === -1 ? typed : typed.subarray(0, at)
    if (meant.length > 0) socket.send(meant, { binary: true }, sent)
    if (at !== -1) return over.resolve('left')
    full = socket.bufferedAmount > highWaterBytes
    if (full) input.pause()
  }
  const cancel = () => over.reject(new HdcsError('cancelled', 'The console was left.'))
  const drained = () => socket.resume()
  let why = ''
  socket.on('open', () => {
    input.on('data', keys)
    input.setRawMode?.(true)
  })
  socket.on('message', data => {
    if (!output.write(data as Buffer)) socket.pause()
  })
  output.on('drain', drained)
  socket.on('error', error => {
    why = error.message
  })
  socket.on('close', (code, reason) => over.resolve({ code, reason: reason.toString() || why }))
  signal.addEventListener('abort', cancel)
  if (signal.aborted) cancel()
  try {
    const end = await over.promise
    if (end === 'left') return
    const broke = `The connection broke${end.reason && ` (${end.reason})`}: open it again.`
    throw new HdcsError('unreachable', overWords[end.code] ?? broke)
  } finally {
    full = false
    signal.removeEventListener('abort', cancel)
    output.off('drain', drained)
    input.off('data', keys).pause()
    input.setRawMode?.(false)
    socket.close()
  }
}

export interface ScreenOptions {
  /** From whoever looks at it. */
  take?: boolean
  save?: string
  /** Only its page. */
  link?: boolean
  /** Only what it shows now, to this file. */
  picture?: string
}

/** The screen of any machine that runs. @throws HdcsError `conflict`: somebody looks at it, and `--take` was not said. */
export async function desktopScreen(context: Context, name: string, options: ScreenOptions): Promise<void> {
  const { client, url } = context
  const desktop = await desktopFind(context, name)
  const { id } = desktop
  if (options.link) {
    const link = `${url}/admin/desktops/${id}/screen`
    return answer(context, { link }, () => link)
  }
  if (options.picture !== undefined) {
    const file = options.picture
    const { png, takenAt } = await client.screenshot(id)
    writeFileSync(file, Buffer.from(await png.arrayBuffer()))
    return answer(context, { file, takenAt }, () => `saved ${file}`)
  }
  const { holder } = await client.screenGet({ params: { id } })
  if (holder && !options.take)
    context.terminal.note(
      `${holder.userName ?? 'somebody'} looks at it since ${holder.since ?? '?'}; --take takes it\n`,
    )
  const { viewerFile } = await client.screenOpen({ params: { id }, body: { take: options.take ?? false } })
  await screenShow(context, desktop.name, viewerFile, options.save)
}
