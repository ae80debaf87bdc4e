/**
 * Passwords: argon2id (RFC 9106) in PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { HdcsError } from '../lib/errors.ts'

const argon2Async = promisify(argon2)

/** OWASP's choice for argon2id, 50 ms here. Less: guessing a stolen hash gets cheap; more: sign-ins of a class queue up. */
const memoryKiB = 19 * 1024
const passes = 2
const saltBytes = 16
const hashBytes = 32

/** More: a rush of sign-ins takes all cores and 19 MiB each; fewer: a core idles while people wait. */
const hashesInFlight = 2
/** Ten seconds of work; whoever comes later is told to come again. Higher: memory and patience run out first. */
const hashesWaiting = 400

let working = 0
const waiting: (() => void)[] = []

/** Runs when one of the few places is free: what is checked first inside it holds against any number at once. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (working >= hashesInFlight) {
    if (waiting.length >= hashesWaiting)
      throw new HdcsError('rate_limited', 'Too many people are signing in: try again in a moment.', {
        retryAfterSeconds: 5,
      })
    await new Promise<void>(resolve => waiting.push(resolve))
  } else working++
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next)
      next() // hands its place on, so `working` stays
    else working--
  }
}

interface Cost {
  memoryKiB: number
  passes: number
  lanes: number
}

const derive = (password: string, salt: Buffer, cost: Cost, length: number) =>
  argon2Async('argon2id', {
    message: password.normalize('NFKC'),
    nonce: salt,
    parallelism: cost.lanes,
    tagLength: length,
    memory: cost.memoryKiB,
    passes: cost.passes,
  })

/** @returns a PHC string. */
export async function passwordHash(password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const hash = await inTurn(() => derive(password, salt, { memoryKiB, passes, lanes: 1 }, hashBytes))
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${unpadded(salt)}$${unpadded(hash)}`
}

/** Costs as much as a right one: whether a name exists cannot be told by the time of the answer. */
const nobodysHash = `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${unpadded(Buffer.alloc(saltBytes))}$${unpadded(Buffer.alloc(hashBytes))}`

export interface InTurn {
  /** Runs when the turn has come, e.g. to refuse who failed too often meanwhile: what it throws is thrown. */
  before(): Promise<void>
  /** Runs before the next one's turn: what it notes, the next one's `before` sees. */
  after(right: boolean): Promise<void>
}

/** @param phc null (no such person, or no password): takes the same time and answers false. */
export async function passwordVerify(password: string, phc: string | null, turn?: InTurn): Promise<boolean> {
  const kept = parsePhc(phc ?? nobodysHash)
  return inTurn(async () => {
    await turn?.before()
    const derived = await derive(password, kept.salt, kept.cost, kept.hash.length)
    const right = timingSafeEqual(derived, kept.hash) && phc !== null
    await turn?.after(right)
    return right
  })
}

const phcForm =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/

/** @throws HdcsError `internal`: the database holds something else. */
function parsePhc(phc: string): { cost: Cost; salt: Buffer; hash: Buffer } {
  const [, memory, time, lanes, salt, hash] = phcForm.exec(phc) ?? []
  if (!memory || !time || !lanes || !salt || !hash)
    throw new HdcsError('internal', 'A stored password cannot be read: an administrator must set a new one.')
  return {
    cost: { memoryKiB: Number(memory), passes: Number(time), lanes: Number(lanes) },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
