import pino from 'pino'

/** A structured logger; `child` adds fields. Secrets are cut by name wherever they stand. */
export type Log = pino.Logger

const secrets = ['password', 'token', 'ticket', 'key', 'secret', 'authorization', 'cookie']

/** @param level pino's names; `silent` for tests that expect errors. */
export function makeLog(name: string, level: string): Log {
  const paths = secrets.flatMap(secret => [secret, `*.${secret}`, `*.*.${secret}`])
  return pino(
    { name, level, redact: { paths, censor: '[cut]' }, base: { name } },
    pino.destination({ dest: 2, sync: true }),
  )
}
