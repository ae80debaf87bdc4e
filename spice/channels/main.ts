/** The main channel (spice.proto, `MainChannel`): which channels there are, the mouse's mode, and the guest's agent. */
import { openChannel } from '../channel.ts'
import { pack, viewOf } from '../wire.ts'
import { type Agent, agentTokens, makeAgent } from './agent.ts'

export interface MainEvents {
  /** Sorted by type and id: servers send them in any order, and keys must go to the first screen. */
  channels(list: readonly { type: number; id: number }[]): void
  /** Relative: the guest takes movements only (no tablet): the pointer must be locked. */
  mouse(relative: boolean): void
  agent(running: boolean): void
  clipboard(text: string): void
  closed(code: number, reason: string): void
}

export interface Main {
  agent: Agent
  close(): void
}

const fromServer = {
  init: 103,
  channelsList: 104,
  mouseMode: 105,
  multiMediaTime: 106,
  agentConnected: 107,
  agentDisconnected: 108,
  agentData: 109,
  agentToken: 110,
  name: 113,
  uuid: 114,
  agentConnectedTokens: 115,
} as const
const toServer = {
  attachChannels: 104,
  mouseModeRequest: 105,
  agentStart: 106,
  agentData: 107,
  agentToken: 108,
} as const
const mouseModes = { server: 1, client: 2 } as const

export function openMain(url: string, events: MainEvents): Main {
  const agent = makeAgent({
    send: piece => channel.send(toServer.agentData, piece),
    tokens: count => channel.send(toServer.agentToken, pack(['u32', count])),
    clipboard: events.clipboard,
  })
  let tokens = 0

  function mouse(supported: number, current: number): void {
    if (supported & mouseModes.client && current !== mouseModes.client)
      channel.send(toServer.mouseModeRequest, pack(['u16', mouseModes.client]))
    events.mouse(current === mouseModes.server)
  }
  function agentStart(): void {
    channel.send(toServer.agentStart, pack(['u32', agentTokens]))
    agent.start(tokens)
    events.agent(true)
  }

  const handlers: Readonly<Record<number, (body: Uint8Array, view: DataView) => void>> = {
    [fromServer.init](_, view) {
      mouse(view.getUint32(8, true), view.getUint32(12, true))
      tokens = view.getUint32(20, true)
      channel.send(toServer.attachChannels)
      if (view.getUint32(16, true)) agentStart()
    },
    [fromServer.channelsList](body, view) {
      const count = Math.min(view.getUint32(0, true), (body.length - 4) >> 1)
      const list = Array.from({ length: count }, (_, i) => ({ type: body[4 + 2 * i] ?? 0, id: body[5 + 2 * i] ?? 0 }))
      events.channels(list.toSorted((a, b) => a.type - b.type || a.id - b.id))
    },
    [fromServer.mouseMode]: (_, view) => mouse(view.getUint16(0, true), view.getUint16(2, true)),
    // Only streams with their own clock need it.
    [fromServer.multiMediaTime]() {},
    [fromServer.agentConnected]: agentStart,
    [fromServer.agentConnectedTokens](_, view) {
      tokens = view.getUint32(0, true)
      agentStart()
    },
    [fromServer.agentDisconnected]() {
      agent.stop()
      events.agent(false)
    },
    [fromServer.agentData]: body => agent.piece(body),
    [fromServer.agentToken]: (_, view) => agent.addTokens(view.getUint32(0, true)),
    [fromServer.name]() {},
    [fromServer.uuid]() {},
  }

  const channel = openChannel({
    url,
    type: 1,
    message(type, body) {
      handlers[type]?.(body, viewOf(body))
      return type in handlers
    },
    closed: events.closed,
  })
  return { agent, close: channel.close }
}
