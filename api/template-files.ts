import { z } from '@hono/zod-openapi'
import { fileProposal } from '../broker/template-files.ts'
import { HdcsError } from '../lib/errors.ts'
import { headBytes } from '../lib/template-file.ts'
import { hardwareSchema } from './hardware.ts'
import { route } from './route.ts'

const proposalSchema = z
  .object({
    kind: z.enum(['hdcs', 'ova', 'image']),
    name: z.string().nullable(),
    description: z.string(),
    notes: z.string(),
    number: z.number().int().nullable(),
    hardware: hardwareSchema.nullable(),
    readyWhen: z.enum(['agent', 'running']).nullable(),
    virtualBytes: z.number().int().nullable(),
    remarks: z.array(z.string()),
  })
  .openapi('TemplateFileProposal')

export const templateFileRoutes = [
  route({
    method: 'post',
    path: '/api/v1/template-files/inspect',
    operationId: 'templateFileInspect',
    summary: `What a file says of itself, before it is imported: send its first ${headBytes} bytes, or all of a shorter one`,
    permission: 'template.write',
    streams: true,
    answers: { 200: proposalSchema },
    handle: async ({ stream }) => ({ status: 200, body: fileProposal(await beginning(stream)) }),
  }),
]

/** @throws HdcsError `too_large`. */
async function beginning(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of stream) {
    bytes += piece.length
    if (bytes > headBytes) throw new HdcsError('too_large', `Send the file’s first ${headBytes} bytes, no more.`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
