/** Persons of a bench, who ask over HTTP with tokens of their own. */
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import type { Db } from '../db/connect.ts'
import { newId } from '../lib/ids.ts'

export interface BenchPerson {
  id: string
  token: string
}

/** In parts: one statement takes so many values at most. */
export async function addPeople(db: Db, wanted: number): Promise<BenchPerson[]> {
  const made = Array.from({ length: wanted }, (_, n) => ({
    id: newId(),
    name: `person-${n}`,
    token: `hdcs_${randomBytes(32).toString('base64url')}`,
  }))
  const person = { email: null, password_hash: null, roles: ['person'], last_seen_at: null }
  const expires_at = new Date(Date.now() + 3_600_000)
  const token = { kind: 'api' as const, name: 'bench', expires_at, last_used_at: null }
  const hash = (text: string) => createHash('sha256').update(text).digest()
  for (let at = 0; at < made.length; at += 1000) {
    const part = made.slice(at, at + 1000)
    const people = part.map(({ id, name }) => ({ ...person, id, name, display_name: name }))
    await db.insertInto('user_account').values(people).execute()
    const tokens = part.map(({ id, token: text }) => ({ ...token, id: newId(), user_id: id, hash: hash(text) }))
    await db.insertInto('token').values(tokens).execute()
  }
  return made
}

export interface Asker extends Disposable {
  ask(
    method: string,
    path: string,
    token: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, never> }>
}

/** @param atOnce connections; who asks beyond them waits for one. */
export function makeAsker(url: string, atOnce: number): Asker {
  const keep = new Agent({ keepAlive: true, maxSockets: atOnce })
  return {
    ask: (method, path, token, body) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? '' : JSON.stringify(body)
        const headers = {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        }
        const sent = request(url + path, { method, agent: keep, headers }, answer => {
          let read = ''
          answer.setEncoding('utf8').on('data', (piece: string) => (read += piece))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(read) }))
        })
        sent.on('error', reject).end(text)
      }),
    [Symbol.dispose]: () => keep.destroy(),
  }
}
