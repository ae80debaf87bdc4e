/** Where the CLI remembers who you are and which server: one file, readable by you alone. */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { HdcsError } from '../lib/errors.ts'

export interface Account {
  /** `https://host:port`, without a path. */
  url: string
  token: string
  userName: string
}

type Environment = Record<string, string | undefined>

export function accountFile(env: Environment): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'hdcs', 'account.json')
}

/**
 * `HDCS_URL` and `HDCS_TOKEN` (for scripts: no file is read), else the file that `hdcs login` wrote.
 * @throws HdcsError `unauthenticated` when there is neither.
 */
export function accountRead(env: Environment): Account {
  if (env.HDCS_URL && env.HDCS_TOKEN) return { url: serverUrl(env.HDCS_URL), token: env.HDCS_TOKEN, userName: '' }
  try {
    return JSON.parse(readFileSync(accountFile(env), 'utf8')) as Account
  } catch (cause) {
    throw new HdcsError('unauthenticated', 'You are not signed in.', { cause })
  }
}

export function accountSave(env: Environment, account: Account): void {
  const file = accountFile(env)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // Written beside and renamed: a full disk must not leave half a file, and no moment passes with wider rights.
  const part = `${file}.${process.pid}`
  writeFileSync(part, `${JSON.stringify(account, null, 2)}\n`, { mode: 0o600 })
  chmodSync(part, 0o600)
  renameSync(part, file)
}

export function accountForget(env: Environment): void {
  rmSync(accountFile(env), { force: true })
}

/** `desktops.example.org` → `https://desktops.example.org`; this machine and addresses with a port may be plain http. */
export function serverUrl(text: string): string {
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/.test(text)
  const whole = /^https?:\/\//.test(text) ? text : `${local ? 'http' : 'https'}://${text}`
  try {
    return new URL(whole).origin
  } catch (cause) {
    throw new HdcsError('invalid', `${text} is no address of a server; like http://127.0.0.1:8080`, { cause })
  }
}
