import type { Client } from '../api/client.ts'

/** What every command gets: whom to ask, and how to answer. */
export interface Context {
  client: Client
  /** The server's address, without a path. */
  url: string
  token: string
  /** Answers as the API gave them, for programs. */
  json: boolean
  /** False: writes return with the task instead of following it to its end. */
  wait: boolean
  /** Answers: standard output. */
  print(text: string): void
  /** Whatever is said besides: standard error. */
  terminal: Terminal
  env: Record<string, string | undefined>
  now(): Date
  signal: AbortSignal
}

export interface Terminal {
  /** Infinity where standard output is no terminal. */
  width: number
  /** Whether lines may be rewritten. */
  interactive: boolean
  note(text: string): void
}

/** One answer in both shapes. */
export function answer(context: Context, body: unknown, text: () => string): void {
  context.print(context.json ? JSON.stringify(body, null, 2) : text())
}
