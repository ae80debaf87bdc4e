import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { listenDatabase } from '../../db/notify.ts'
import { testFolder } from '../support/folder.ts'

it('listening ends when asked to, also in the moment between connected and ready', async () => {
  const folder = testFolder()
  // Accepts and never says a word: that moment, as long as we like.
  const met = Promise.withResolvers<Socket>()
  const server = createServer(met.resolve).listen(join(folder, '.s.PGSQL.5432'))
  const heard: unknown[] = []
  const hear = { notified: () => {}, missed: () => {}, failed: (error: unknown) => heard.push(error) }
  const listening = listenDatabase(`postgres://x@${encodeURIComponent(folder)}/x`, ['hdcs_event'], hear)
  const socket = (await met.promise).resume()
  await listening[Symbol.asyncDispose]()
  expect(heard).toEqual([])
  socket.destroy()
  server.close()
}, 5_000)
