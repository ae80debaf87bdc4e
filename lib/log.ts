import pino from 'pino'

/** A structured logger; `child` adds fields. Secrets are cut by name wherever they stand. */
export type Log = pino.Logger

const secrets = ['password', 'token', 'ticket', 'key', 'secret', 'authorization', 'cookie']

/** What an error says, without whatever object hangs on it: a database error carries its whole connection. */
function errorFields(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  const { name, message, stack, cause } = thrown
  const code = 'code' in thrown ? thrown.code : undefined
  return { name, code, message, stack, ...(cause !== undefined && { cause: errorFields(cause) }) }
}

/** @param level pino's names; `silent` for tests that expect errors. */
export function makeLog(name: string, level: string): Log {
  const paths = secrets.flatMap(secret => [secret, `*.${secret}`, `*.*.${secret}`])
  return pino(
    { name, level, redact: { paths, censor: '[cut]' }, base: { name }, serializers: { err: errorFields } },
    pino.destination({ dest: 2, sync: true }),
  )
}
