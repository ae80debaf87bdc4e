/** The other end of a libvirt connection, in memory: it speaks the same tables and does what a test says. */
import { type Fields, struct, writeFields } from '../../vmm/libvirt/codec.ts'
import { domainEvents, type EventKind } from '../../vmm/libvirt/events.ts'
import { remoteError } from '../../vmm/libvirt/objects.ts'
import { encodePacket, type Packet, PacketReader, packetStatus, packetTypes } from '../../vmm/libvirt/packet.ts'
import { keepaliveProgram, type ProcedureName, procedures, remoteProgram } from '../../vmm/libvirt/protocol.ts'
import type { Dial, TransportReceiver } from '../../vmm/libvirt/transport.ts'
import { XdrReader, XdrWriter } from '../../vmm/libvirt/xdr.ts'

export interface FakeCall {
  name: ProcedureName
  given: Record<string, unknown>
  serial: number
  /** Answers with what the procedure's table says. */
  answer(result?: unknown): void
  refuse(code: number, message: string): void
  /** A packet of its stream; an empty `more` is libvirt's end of data. */
  stream(status: keyof typeof packetStatus, bytes?: Uint8Array): void
}

const names = new Map(
  (Object.keys(procedures) as ProcedureName[]).map(name => [
    `${procedures[name].program}.${procedures[name].number}`,
    name,
  ]),
)

/** What a daemon says without being told: the opening works. */
const opening: Partial<Record<ProcedureName, unknown>> = {
  authList: [0],
  connectSupportsFeature: true,
  connectOpen: undefined,
  connectClose: undefined,
  connectDomainEventCallbackRegisterAny: 1,
}

export interface FakeOptions {
  /** Sends every byte on its own. */
  trickle?: boolean
  /** Answers by procedure; others than these wait in `calls`. */
  answers?: Partial<Record<ProcedureName, unknown>>
  /** Procedures that the test answers itself although a daemon would. */
  held?: ProcedureName[]
}

/** One daemon; every dial is a connection to it, and `calls` are those of all. */
export function fakeLibvirt(options: FakeOptions = {}) {
  const answers: Partial<Record<ProcedureName, unknown>> = { ...opening, ...options.answers }
  for (const name of options.held ?? []) delete answers[name]
  const calls: FakeCall[] = []
  const made: ProcedureName[] = []
  const streamed: { serial: number; status: number; payload: Uint8Array }[] = []
  const watchers = new Set<() => void>()
  const connections = new Set<{ receiver: TransportReceiver; cut(reason: Error | null): void }>()
  const state = { pings: 0, pongs: 0, paused: false, silent: false, full: false }
  let drained = () => {}

  const changed = () => {
    for (const watcher of watchers) watcher()
  }

  const encode = (packet: Partial<Packet>) =>
    encodePacket({
      program: remoteProgram,
      version: 1,
      procedure: 0,
      type: packetTypes.reply,
      serial: 0,
      status: packetStatus.ok,
      payload: new Uint8Array(),
      ...packet,
    })

  function deliver(receiver: TransportReceiver, packet: Partial<Packet>) {
    const bytes = encode(packet)
    if (!options.trickle) return receiver.received(bytes)
    for (let at = 0; at < bytes.length; at++) receiver.received(bytes.subarray(at, at + 1))
  }

  const dial: Dial = async receiver => {
    const reader = new PacketReader()
    const connection = {
      receiver,
      cut(reason: Error | null) {
        if (connections.delete(connection)) receiver.closed(reason)
      },
    }
    connections.add(connection)
    return {
      send(bytes) {
        for (const packet of reader.feed(bytes)) handle(receiver, packet)
        changed()
        return !state.full
      },
      drained: () =>
        new Promise(resolve => {
          drained = resolve
        }),
      pause() {
        state.paused = true
      },
      resume() {
        state.paused = false
      },
      close: () => connection.cut(null),
    }
  }

  function handle(receiver: TransportReceiver, packet: Packet) {
    if (packet.program === keepaliveProgram) {
      if (packet.procedure === 2) state.pongs++
      else {
        state.pings++
        if (!state.silent) deliver(receiver, { program: keepaliveProgram, procedure: 2, type: packetTypes.message })
      }
    } else if (packet.type === packetTypes.stream) {
      streamed.push({ serial: packet.serial, status: packet.status, payload: packet.payload.slice() })
    } else {
      called(receiver, packet)
    }
  }

  function called(receiver: TransportReceiver, packet: Packet) {
    const name = names.get(`${packet.program}.${packet.procedure}`)
    if (!name) throw new Error(`The client called ${packet.program}.${packet.procedure}, which is in no table.`)
    made.push(name)
    const { program, procedure, serial } = packet
    const reply = (status: number, payload: Uint8Array) =>
      deliver(receiver, { program, procedure, serial, status, payload })
    const call: FakeCall = {
      name,
      serial,
      given: struct<Fields>(procedures[name].arguments).read(new XdrReader(packet.payload)),
      answer(result) {
        const writer = new XdrWriter()
        procedures[name].result.write(writer, result as never)
        reply(packetStatus.ok, writer.bytes())
      },
      refuse: (code, message) => reply(packetStatus.error, errorBytes(code, message)),
      stream: (status, payload = new Uint8Array()) =>
        deliver(receiver, {
          program,
          procedure,
          serial,
          type: packetTypes.stream,
          status: packetStatus[status],
          payload,
        }),
    }
    // A real answer never comes while the call is still being sent.
    if (!state.silent && name in answers) queueMicrotask(() => call.answer(answers[name]))
    else calls.push(call)
  }

  const all = (packet: Partial<Packet>) => {
    for (const { receiver } of connections) deliver(receiver, packet)
  }

  return {
    dial,
    state,
    /** Every procedure called, in order. */
    made,
    /** Calls that wait for the test to answer them. */
    calls,
    /** Stream packets from the client. */
    streamed,
    connections: () => connections.size,
    /** Resolves when the test's condition holds; it is looked at after everything the client sends. */
    async until(holds: () => boolean) {
      if (holds()) return
      await new Promise<void>(resolve => {
        const watcher = () => {
          if (!holds()) return
          watchers.delete(watcher)
          resolve()
        }
        watchers.add(watcher)
      })
    },
    /** The next unanswered call, once it is there; of that name, if one is named. */
    async next(name?: ProcedureName): Promise<FakeCall> {
      const wanted = (call: FakeCall) => !name || call.name === name
      await this.until(() => calls.some(wanted))
      return calls.splice(calls.findIndex(wanted), 1)[0] as FakeCall
    },
    event<K extends EventKind>(kind: K, fields: Record<string, unknown>) {
      const writer = new XdrWriter()
      writer.int(1)
      writeFields(writer, domainEvents[kind].fields as Fields, fields)
      all({ procedure: domainEvents[kind].number, type: packetTypes.message, payload: writer.bytes() })
    },
    packet: all,
    bytes(bytes: Uint8Array) {
      for (const { receiver } of connections) receiver.received(bytes)
    },
    ping: () => all({ program: keepaliveProgram, procedure: 1, type: packetTypes.message }),
    drained: () => drained(),
    /** Every connection ends, as when the daemon is killed. */
    cut(reason: Error | null = new Error('killed')) {
      for (const connection of connections) connection.cut(reason)
    },
  }
}

export type FakeLibvirt = ReturnType<typeof fakeLibvirt>

export function errorBytes(code: number, message: string): Uint8Array {
  const writer = new XdrWriter()
  const empty = { dom: null, str1: null, str2: null, str3: null, int1: 0, int2: 0, net: null }
  remoteError.write(writer, { code, domain: 10, message, level: 2, ...empty })
  return writer.bytes()
}
