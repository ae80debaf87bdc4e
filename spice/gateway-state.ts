/** What the gateway's two doors (WebSocket and CONNECT) share. */
import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Admissions, type Refusal, refusalStatus } from './admissions.ts'
import type { PipeCounters } from './pipe.ts'

export interface GatewayOptions {
  /** 32 bytes, shared with the control plane. */
  ticketKey: Uint8Array
  clock: Clock
  log: Log
  /** Where pages come from besides the gateway's own address, e.g. `https://desk.example`; for a gateway apart from them. */
  pageOrigins?: readonly string[]
}

export interface GatewayStats extends PipeCounters {
  sessions: number
  channels: number
  /** Sessions ever admitted, channels ever linked. */
  admitted: number
  linked: number
  linkFailures: number
  /** Links tried again because the password was not yet in force. */
  linkRetries: number
  refused: Partial<Record<Refusal, number>>
}

/** Everything about one gateway that its doors share. */
export interface GatewayState {
  options: GatewayOptions
  admissions: Admissions
  counters: GatewayStats
  /** Aborted when the gateway closes. */
  closing: AbortSignal
}

export function makeCounters(): GatewayStats {
  return {
    sessions: 0,
    channels: 0,
    admitted: 0,
    linked: 0,
    linkFailures: 0,
    linkRetries: 0,
    refused: {},
    bytesUp: 0,
    bytesDown: 0,
    pausesUp: 0,
    pausesDown: 0,
  }
}

export function countRefusal(state: GatewayState, refusal: Refusal): void {
  state.counters.refused[refusal] = (state.counters.refused[refusal] ?? 0) + 1
  state.options.log.info({ refusal }, 'a channel was refused')
}

/** Says no in HTTP, before there is a WebSocket or a tunnel. */
export function refuse(state: GatewayState, socket: Duplex, refusal: Refusal): void {
  countRefusal(state, refusal)
  socket.end(`HTTP/1.1 ${refusalStatus[refusal]} ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
