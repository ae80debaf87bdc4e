import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Surroundings } from '../../cli/commands.ts'

export interface Asked {
  query: URLSearchParams
  body: string
  authorization: string | undefined
}
type Answers = Record<string, (asked: Asked) => { status?: number; body?: unknown; text?: string }>

export interface FakeServer extends AsyncDisposable {
  url: string
  /** `METHOD /path?query` of everything that was asked. */
  asked: string[]
}

/** Answers `METHOD /path` by a table: the command line is tested against what the API promises, whatever is behind it. */
export async function fakeServer(answers: Answers): Promise<FakeServer> {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://fake')
    asked.push(`${request.method} ${pathname}${searchParams.size ? `?${searchParams}` : ''}`)
    const said = answers[`${request.method} ${pathname}`]?.({
      query: searchParams,
      body: await textOf(request),
      authorization: request.headers.authorization,
    }) ?? { status: 404, body: { code: 'not_found', detail: `nothing at ${pathname}` } }
    const type = said.text === undefined ? 'application/json' : 'application/x-virt-viewer'
    response.writeHead(said.status ?? 200, { 'content-type': type })
    response.end(said.text ?? (said.body === undefined ? '' : JSON.stringify(said.body)))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

export interface Spoken {
  around: Surroundings
  out(): string
  err(): string
}

/** A person without a terminal, signed in by the environment. */
export function person(url: string, more: Record<string, string> = {}): Spoken {
  const said = { out: '', err: '' }
  return {
    out: () => said.out,
    err: () => said.err,
    around: {
      env: { HDCS_URL: url, HDCS_TOKEN: 'token-1', ...more },
      terminal: {
        width: 100,
        interactive: false,
        note: text => {
          said.err += text
        },
      },
      print: text => {
        said.out += `${text}\n`
      },
      now: () => new Date('2026-01-01T12:00:00Z'),
      signal: new AbortController().signal,
    },
  }
}
