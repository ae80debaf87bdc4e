/** Template versions as files: taken away, and brought in again or from elsewhere. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { inspectedBytes } from '../api/client.ts'
import { HdcsError } from '../lib/errors.ts'
import type { UploadFormat } from '../lib/image-format.ts'
import { answer, type Context } from './context.ts'
import { follow } from './follow.ts'
import { type HardwareOptions, hardwareOf } from './hardware-options.ts'
import { bar, bytes } from './print.ts'
import { finish, newest, templateFind, templateNamed, versionMake, versionNumber } from './templates.ts'
import { headOf, imageRead, imageSend } from './upload.ts'

const formats = ['hdcs', 'ova', 'qcow2', 'raw', 'vmdk'] as const
const endings: [string, (typeof formats)[number]][] = [
  ['.hdcs.tar', 'hdcs'],
  ['.ova', 'ova'],
  ['.qcow2', 'qcow2'],
  ['.vmdk', 'vmdk'],
  ['.img', 'raw'],
  ['.raw', 'raw'],
]

export interface ExportOptions {
  format?: string
}

/** A line that breaks is picked up again so often before somebody is told. */
const mostTries = 5

/** Made on a host, fetched, compared; what came of it before is not fetched again. */
export async function templateExport(
  context: Context,
  name: string,
  version: string,
  path: string,
  { format: asked }: ExportOptions,
): Promise<void> {
  const template = await templateFind(context, name)
  const number = versionNumber(template, version)
  const ending = endings.find(([text]) => path.toLowerCase().endsWith(text))?.[1]
  if (asked === undefined && ending === undefined && extname(path) !== '')
    throw new HdcsError(
      'invalid',
      `${path} would be of which format? End its name with ${endings.map(([text]) => text).join(', ')}, or say --format ${formats.join(', ')}.`,
    )
  const format = formats.find(one => one === (asked ?? ending ?? 'hdcs'))
  if (!format) throw new HdcsError('invalid', `--format takes ${formats.join(', ')}`)
  if (await stat(path).catch(() => null))
    throw new HdcsError('conflict', `${path} is there already: choose another name.`) // not there is right
  const { client } = context
  const { task: begun } = await client.exportMake({ params: { id: template.id, number }, body: { format } })
  const task = await follow(context, begun)
  if (task.state !== 'succeeded') return answer(context, { task }, () => `${name} version ${number}: ${task.state}`)
  const fresh = await client.templateGet({ params: { id: template.id } })
  const file = fresh.versions.find(one => one.number === number)?.exports.find(one => one.format === format)
  if (!file?.sha256 || file.sizeBytes === null)
    throw new HdcsError('not_found', 'The file was removed meanwhile: export it again.')
  const wanted = { templateId: template.id, number, format, sha256: file.sha256, sizeBytes: file.sizeBytes }
  await fetched(context, wanted, path)
  answer(context, { ...file, path }, () => `${path}: ${bytes(file.sizeBytes)}, SHA-256 ${file.sha256}`)
}

interface Wanted {
  templateId: string
  number: number
  format: (typeof formats)[number]
  sha256: string
  sizeBytes: number
}

/** @throws HdcsError `unreachable` when it broke off too often; `invalid` for other bytes. */
async function fetched(context: Context, wanted: Wanted, path: string): Promise<void> {
  const part = `${path}.part`
  let trouble: unknown
  for (let tries = 0; tries < mostTries; tries++) {
    trouble = await rest(context, wanted, part).catch((thrown: unknown) => thrown)
    if (trouble === undefined) break
  }
  if (trouble !== undefined) throw trouble
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(part)) hash.update(chunk)
  if (hash.digest('hex') !== wanted.sha256)
    throw new HdcsError('invalid', `${part} is not what the server has: remove it, then export it again.`)
  await rename(part, path)
}

/** What is still to come of it. */
async function rest({ client, terminal }: Context, wanted: Wanted, part: string): Promise<void> {
  await using file = await open(part, 'a')
  let have = (await file.stat()).size
  if (have >= wanted.sizeBytes) return
  let saidAtMs = 0
  for await (const piece of unbroken(await client.download({ ...wanted, fromByte: have }))) {
    await file.write(piece)
    have += piece.length
    if (!terminal.interactive || Date.now() - saidAtMs < 250) continue
    saidAtMs = Date.now()
    const share = bar((have / wanted.sizeBytes) * 100)
    terminal.note(`\r${share}  download  ${bytes(have)} of ${bytes(wanted.sizeBytes)}\u001b[K`)
  }
  if (terminal.interactive) terminal.note('\r\u001b[K')
  if (have < wanted.sizeBytes) throw broken()
}

const broken = (cause?: unknown) =>
  new HdcsError('unreachable', 'The line broke: say it again, and it goes on.', { cause })

/** @throws HdcsError `unreachable` where the line breaks, which `fetch` calls a TypeError. */
async function* unbroken(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream
  } catch (cause) {
    throw cause instanceof TypeError ? broken(cause) : cause
  }
}

export interface ImportOptions extends HardwareOptions {
  format?: string
  description?: string
}

/**
 * Checksum, upload, check and conversion on the server: a new template, or a new version of one that is there. What an
 * appliance or a file of ours says of itself is taken over, but for what is said otherwise.
 */
export async function templateImport(
  context: Context,
  first: string,
  second: string | undefined,
  options: ImportOptions,
): Promise<void> {
  const path = second ?? first
  await stat(path).catch(cause => {
    throw new HdcsError('not_found', `${path} cannot be read.`, { cause })
  })
  const said = await context.client.inspect(new Blob([await headOf(path, inspectedBytes)]))
  const name = second === undefined ? said.name : first
  if (name === null)
    throw new HdcsError('invalid', `What shall it be called? hdcs templates import NAME ${basename(path)}`)
  const known = said.kind === 'image' ? undefined : said.kind
  const image = await imageRead(path, (options.format as UploadFormat | undefined) ?? known, context.terminal)
  const { format, sizeBytes, sha256 } = image
  const own = hardwareOf(options)
  if (Object.keys(own).length > 0 && (await templateNamed(context, name)))
    throw new HdcsError(
      'conflict',
      `${name} is there and keeps its hardware with a new version; to change it: hdcs templates hardware ${name}`,
    )
  const hardware = { ...said.hardware, ...own }
  const more = {
    notes: said.notes,
    ...(Object.keys(hardware).length > 0 && { hardware }),
    ...(said.readyWhen && { readyWhen: said.readyWhen }),
  }
  const description = options.description ?? (said.description || undefined)
  for (const remark of said.remarks) context.terminal.note(`${remark}\n`)
  const made = await versionMake(context, name, description, { kind: 'upload', format, sizeBytes, sha256 }, more)
  const version = newest(made.template)
  if (!version) throw new HdcsError('internal', 'The server made no version to upload into.')
  await imageSend(context, made.template.id, version.number, image)
  await finish(context, name, made.task)
}
