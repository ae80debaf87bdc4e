/**
 * A program that reads lists, in a thread of its own. Of each, in turns, so that all meet the same neighbours: the time
 * over HTTP to the last byte; that of the same statements asked of the database by themselves; and that of an answer of
 * as many bytes from a server that does nothing for it.
 */
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import pg from 'pg'
import { plansInOrder } from '../db/connect.ts'
import type { Statement } from './statements.ts'

export interface ListsAsk {
  path: string
  statements: Statement[]
  rounds: number
}

/** Milliseconds of each round. */
export interface ListsTold {
  api: number[]
  sql: number[]
  http: number[]
}

export interface ListsGiven {
  url: string
  token: string
  databaseUrl: string
  /** Answers `/N` with N bytes. */
  bareUrl: string
}

const { url, token, databaseUrl, bareUrl } = workerData as ListsGiven
const keep = new Agent({ keepAlive: true, maxSockets: 2 })
const bare = new pg.Client(databaseUrl)
await bare.connect()
await bare.query(plansInOrder)

parentPort?.on('message', async (ask: ListsAsk | 'end') => {
  if (ask === 'end') {
    keep.destroy()
    await bare.end()
    return parentPort?.close()
  }
  const told: ListsTold = { api: [], sql: [], http: [] }
  const bytes = await read(`${url}${ask.path}`)
  for (let n = -ask.rounds / 10; n < ask.rounds; n++) {
    const api = await timed(() => read(`${url}${ask.path}`))
    const sql = await timed(async () => {
      for (const { text, values } of ask.statements) await bare.query(text, values)
    })
    const http = await timed(() => read(`${bareUrl}/${bytes}`))
    // The first tenth warms both up.
    if (n < 0) continue
    told.api.push(api)
    told.sql.push(sql)
    told.http.push(http)
  }
  parentPort?.postMessage(told)
})

/** @returns how many bytes it was. */
function read(from: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(from, { agent: keep, headers: { authorization: `Bearer ${token}` } }, answer => {
      let bytes = 0
      answer.on('data', (piece: Buffer) => (bytes += piece.length)).on('end', () => resolve(bytes))
    })
      .on('error', reject)
      .end()
  })
}

async function timed(work: () => Promise<unknown>) {
  const start = performance.now()
  await work()
  return performance.now() - start
}
