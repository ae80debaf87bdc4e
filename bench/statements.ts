/** What this process asks of the database, seen at the driver: how many statements, and which ones a piece of work used. */
import pg from 'pg'

export interface Statement {
  text: string
  values: unknown[]
}

interface Query {
  text?: string
  values?: unknown[]
}

const listeners = new Set<(statement: Statement) => void>()
const timers = new Set<(statement: Statement, ms: number) => void>()
/** Begin and end of transactions ask for nothing; what a bench asks for itself says so. */
const uncounted = /^\s*(begin|commit|rollback|start transaction|savepoint|release|\/\* bench)/i

const send = pg.Client.prototype.query as (this: pg.Client, ...given: unknown[]) => unknown
function query(this: pg.Client, ...given: unknown[]): unknown {
  const [first, second] = given
  const { text, values } = (typeof first === 'string' ? { text: first, values: second } : first) as Query
  if (text !== undefined && !uncounted.test(text)) {
    const statement = { text, values: Array.isArray(values) ? values : [] }
    for (const hear of listeners) hear(statement)
    if (timers.size > 0) {
      const began = performance.now()
      const answer = send.apply(this, given)
      const told = () => {
        for (const hear of timers) hear(statement, performance.now() - began)
      }
      // Those that are given a callback are the pool's own.
      if (answer instanceof Promise) void answer.then(told, told)
      return answer
    }
  }
  return send.apply(this, given)
}
pg.Client.prototype.query = query as typeof pg.Client.prototype.query

/** Hears of every statement that was answered, and how long that took, until disposed. */
export function statementsTimed(hear: (statement: Statement, ms: number) => void): Disposable {
  timers.add(hear)
  return { [Symbol.dispose]: () => void timers.delete(hear) }
}

/** Hears of every statement until disposed. */
export function statementsHeard(hear: (statement: Statement) => void): Disposable {
  listeners.add(hear)
  return { [Symbol.dispose]: () => void listeners.delete(hear) }
}
