/** What the rooms of people and rights work with: wired once, passed as the first argument. */
import type { Db } from '../db/connect.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { makeTrail, type Trail } from './audit.ts'
import { type KeptAnswers, makeKeptAnswers } from './kept-answers.ts'
import { makePrincipals, type Principals } from './principals.ts'

export interface Auth {
  db: Db
  clock: Clock
  principals: Principals
  trail: Trail
  kept: KeptAnswers
}

export function makeAuth(db: Db, clock: Clock, log: Log): Auth {
  return {
    db,
    clock,
    principals: makePrincipals(db, clock),
    trail: makeTrail(db, clock, log),
    kept: makeKeptAnswers(db),
  }
}
