/** One connection's calls: numbers them, sends them a few at a time, finds whose answer came, and keeps their deadlines. */
import { HdcsError } from '../../lib/errors.ts'
import type { CallOptions } from './calls.ts'
import { writeFields } from './codec.ts'
import { fromLibvirt } from './errors.ts'
import { type Keepalive, keepalivePing, keepalivePong, startKeepalive } from './keepalive.ts'
import { lanes } from './lanes.ts'
import { remoteError } from './objects.ts'
import { encodePacket, type Packet, PacketReader, packetStatus, packetTypes } from './packet.ts'
import { keepaliveProgram, type Procedure, type ProcedureName, procedures, remoteProgram } from './protocol.ts'
import { makeStream } from './streams.ts'
import type { Dial } from './transport.ts'
import { XdrReader, XdrWriter } from './xdr.ts'

export interface WireOptions {
  timeoutMs: number
  maxInFlight: number
  /** How long the other side may take to accept. */
  dialTimeoutMs: number
  /** A message nobody called for. */
  onMessage(procedure: number, payload: Uint8Array): void
}

interface Pending {
  procedure: Procedure
  stream: ReturnType<typeof makeStream> | null
  settle(error: HdcsError | null, reader: XdrReader): void
  /** Its caller was told `timeout`; the place in flight is taken until libvirt answers, because libvirt counts it too. */
  abandoned: boolean
}

const noBytes = new Uint8Array()

export async function openWire(dial: Dial, options: WireOptions) {
  const packets = new PacketReader()
  const places = lanes(options.maxInFlight)
  const pending = new Map<number, Pending>()
  const streams = new Map<number, ReturnType<typeof makeStream>>()
  /** Callers that wait for a place. */
  const queued = new Set<(error: HdcsError) => void>()
  const closed = Promise.withResolvers<HdcsError>()
  let failure: HdcsError | null = null
  let serials = 0
  let holds = 0

  let keepalive: ReturnType<typeof startKeepalive> | null = null

  const receiver = { received, closed: (reason: Error | null) => fail(lost(reason)) }
  const transport = await dial(receiver, AbortSignal.timeout(options.dialTimeoutMs))

  function keepAlive(wishes: Keepalive) {
    if (failure) return
    keepalive = startKeepalive(wishes, {
      ping: () => void send({ program: keepaliveProgram, procedure: keepalivePing, type: packetTypes.message }),
      lost: () => fail(new HdcsError('unreachable', 'libvirt stopped answering on an open connection.')),
      held: () => holds > 0,
    })
  }

  function fail(error: HdcsError) {
    if (failure) return
    failure = error
    keepalive?.stop()
    for (const { settle, stream } of pending.values()) {
      stream?.fail(error)
      settle(error, new XdrReader(noBytes))
    }
    pending.clear()
    for (const stream of streams.values()) stream.fail(error)
    streams.clear()
    for (const refuse of queued) refuse(error)
    queued.clear()
    transport.close()
    closed.resolve(error)
  }

  function send(packet: Partial<Packet> & Pick<Packet, 'procedure' | 'type'>): boolean {
    if (failure) return true
    const defaults = { program: remoteProgram, version: 1, serial: 0, status: packetStatus.ok, payload: noBytes }
    return transport.send(encodePacket({ ...defaults, ...packet }))
  }

  function received(bytes: Uint8Array) {
    keepalive?.heard()
    try {
      for (const packet of packets.feed(bytes)) if (!failure) handle(packet)
    } catch (error) {
      // Framing is lost: nothing that follows can be understood. Both decoders throw nothing else.
      fail(error instanceof HdcsError ? error : new HdcsError('protocol', 'libvirt sent nonsense.', { cause: error }))
    }
  }

  function handle(packet: Packet) {
    if (packet.program === keepaliveProgram) {
      if (packet.procedure === keepalivePing)
        send({ program: keepaliveProgram, procedure: keepalivePong, type: packetTypes.message })
    } else if (packet.type === packetTypes.reply) answered(packet)
    else if (packet.type === packetTypes.message) options.onMessage(packet.procedure, packet.payload)
    else if (packet.type === packetTypes.stream) flowed(packet)
    else throw new HdcsError('protocol', `libvirt sent a packet of unknown type ${packet.type}.`)
  }

  function answered({ serial, status, payload }: Packet) {
    const call = pending.get(serial)
    if (!call) throw new HdcsError('protocol', `libvirt answered call ${serial}, which nobody made.`)
    pending.delete(serial)
    places.leave()
    const reader = new XdrReader(payload)
    const error = status === packetStatus.ok ? null : readError(reader)
    if (error && call.stream) {
      streams.delete(serial)
      call.stream.fail(error)
    }
    // A stream that comes too late is given back: libvirt would hold the console or the file for ever.
    if (!error && call.stream && call.abandoned) call.stream.stream.abort()
    call.settle(error, reader)
  }

  function flowed({ serial, status, payload }: Packet) {
    const stream = streams.get(serial)
    if (!stream) return // both sides ended it at the same time
    stream.receive(status, payload, () => readError(new XdrReader(payload)))
    if (!stream.open) streams.delete(serial)
  }

  function openStream(procedure: Procedure, serial: number, timeoutMs: number) {
    const stream = makeStream({
      send: (status, payload) => send({ ...numbers(procedure), type: packetTypes.stream, serial, status, payload }),
      drained: () => transport.drained(),
      hold: () => {
        if (holds++ === 0) transport.pause()
      },
      release: () => {
        if (--holds === 0) transport.resume()
      },
      timeoutMs,
    })
    // Before the answer: libvirt may send its first bytes ahead of it.
    streams.set(serial, stream)
    return stream
  }

  async function call(name: ProcedureName, given: Record<string, unknown>, wishes: CallOptions): Promise<unknown> {
    if (failure) throw failure
    const procedure: Procedure = procedures[name]
    const writer = new XdrWriter()
    writeFields(writer, procedure.arguments, given)
    const payload = writer.bytes()
    const timeoutMs = wishes.timeoutMs ?? options.timeoutMs
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    let entry: Pending | null = null
    queued.add(reject)

    const start = () => {
      queued.delete(reject)
      serials = (serials % 0xffff_ffff) + 1
      const serial = serials
      const stream = procedure.stream === 'none' ? null : openStream(procedure, serial, timeoutMs)
      const settle: Pending['settle'] = (error, reader) => {
        if (error) return reject(error)
        try {
          const result = procedure.result.read(reader)
          resolve(stream ? Object.assign(stream.stream, { result }) : result)
        } catch (malformed) {
          reject(malformed)
        }
      }
      entry = { procedure, stream, settle, abandoned: false }
      pending.set(serial, entry)
      send({ ...numbers(procedure), type: packetTypes.call, serial, payload })
    }
    const withdraw = places.enter(wishes.lane ?? '', start)
    const timer = setTimeout(() => {
      queued.delete(reject)
      const waited = withdraw()
      if (entry) entry.abandoned = true
      const how = waited ? 'was not even asked for it: earlier calls are unanswered' : 'did not answer'
      reject(new HdcsError('timeout', `${name} took longer than ${timeoutMs} ms; libvirt ${how}.`))
    }, timeoutMs)
    return promise.finally(() => clearTimeout(timer))
  }

  return { call, keepAlive, closed: closed.promise, close: () => fail(lost(null)) }
}

export type Wire = Awaited<ReturnType<typeof openWire>>

const numbers = ({ program, number }: Procedure) => ({ program, procedure: number })

const readError = (reader: XdrReader) => fromLibvirt(remoteError.read(reader))

const lost = (reason: Error | null) =>
  new HdcsError('unreachable', 'The connection to libvirt ended.', reason ? { cause: reason } : {})
