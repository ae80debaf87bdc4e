/** Template versions as files to take away: made by a host, then fetched from any byte on. */
import { stat } from 'node:fs/promises'
import { z } from '@hono/zod-openapi'
import { exportFile, exportMake, exportRemove } from '../broker/exports.ts'
import { templateGet } from '../broker/templates.ts'
import { HdcsError } from '../lib/errors.ts'
import { filePart } from './file-part.ts'
import { byteStream, route, versionParams } from './route.ts'
import { accepted, taskSchema } from './tasks.ts'
import { exportFormats, templateSchema } from './templates.ts'

const fileParams = versionParams.extend({ format: z.enum(exportFormats) })

export const exportRoutes = [
  route({
    method: 'post',
    path: '/api/v1/templates/{id}/versions/{number}/exports',
    operationId: 'exportMake',
    summary: 'Make a file of a version: `hdcs` (image, name, notes and hardware in one), `ova`, or the bare disk',
    permission: 'template.write',
    params: versionParams,
    body: z.object({ format: z.enum(exportFormats).default('hdcs') }),
    answers: { 202: z.object({ template: templateSchema, task: taskSchema }) },
    handle: async ({ broker, principal, params: { id, number }, body }) => {
      const task = await exportMake(broker, principal, id, { number, ...body })
      const template = await templateGet(broker, principal, id)
      return accepted({ template, task })
    },
  }),
  route({
    method: 'get',
    path: '/api/v1/templates/{id}/versions/{number}/exports/{format}',
    operationId: 'exportDownload',
    summary: 'The file, once it is made; its entity tag is its SHA-256, and `Range` goes on where a line broke',
    permission: 'template.write',
    params: fileParams,
    produces: 'application/octet-stream',
    answers: { 200: byteStream, 206: byteStream, 416: null },
    handle: async ({ broker, params: { id, ...which }, header }) => {
      const file = await exportFile(broker, id, which)
      const { path, name, sizeBytes, sha256 } = file
      if (!(await isWhole(path, sizeBytes)))
        throw new HdcsError('not_found', 'The file is not here any more: remove it, then export it again.')
      const etag = `"${sha256}"`
      const about = {
        etag,
        'accept-ranges': 'bytes',
        'content-disposition': `attachment; filename="${name}"`,
      }
      const part = filePart(path, { range: header('range'), ifRange: header('if-range') }, { sizeBytes, etag })
      return { ...part, headers: { ...about, ...part.headers } }
    },
  }),
  route({
    method: 'delete',
    path: '/api/v1/templates/{id}/versions/{number}/exports/{format}',
    operationId: 'exportRemove',
    summary: 'Remove the file of a version, or stop making it; unless asked for, it goes after a day',
    permission: 'template.write',
    params: fileParams,
    answers: { 200: templateSchema },
    handle: async ({ broker, principal, params: { id, ...which } }) => {
      await exportRemove(broker, id, which)
      return { status: 200, body: await templateGet(broker, principal, id) }
    },
  }),
]

const isWhole = (path: string, sizeBytes: number) =>
  stat(path).then(
    found => found.size === sizeBytes,
    () => false, // not there: told to the asker
  )
