/**
 * The playback channel (spice.proto, `PlaybackChannel`): the guest's sound, Opus by WebCodecs or raw samples. Browsers
 * offer WebCodecs on secure pages only; without it a desktop stays silent rather than broken.
 */
import { openChannel } from '../channel.ts'
import { viewOf } from '../wire.ts'

export interface Playback {
  /** Browsers let sound begin only after a click or a key. */
  wake(): void
  /** Sound played so far. */
  readonly seconds: number
  close(): void
}

const messages = { data: 101, mode: 102, start: 103, stop: 104, volume: 105, mute: 106, latency: 107 } as const
const modes = { raw: 1, opus: 3 } as const
const sampleFormatS16 = 1
const fullVolume = 0xffff
/** Lower: sound stutters when packets are late; higher: it lags behind the picture. */
const leadSeconds = 0.08
/** More than this ahead: the clocks drifted or a pause is over; what waits is skipped. */
const maxLeadSeconds = 0.5

export const canPlay = () => typeof AudioContext === 'function' && typeof AudioDecoder === 'function'

export function openPlayback(url: string, id: number): Playback {
  let stream: Stream | null = null
  let mode: number = modes.raw
  let volume = 1
  let muted = false
  let played = 0
  const setVolume = () => stream?.setVolume(muted ? 0 : volume)
  const stop = () => {
    played += stream?.seconds ?? 0
    stream?.close()
    stream = null
  }

  const handlers: Readonly<Record<number, (body: Uint8Array, view: DataView) => void>> = {
    [messages.start](_, view) {
      stop()
      const [channels, format, frequency] = [view.getUint32(0, true), view.getUint16(4, true), view.getUint32(6, true)]
      if (format === sampleFormatS16) stream = openStream(channels, frequency)
      setVolume()
    },
    // u32 time, then a packet.
    [messages.data](body) {
      if (mode === modes.opus) stream?.playOpus(body.slice(4))
      else if (mode === modes.raw) stream?.playSamples(body.slice(4))
    },
    [messages.mode](_, view) {
      mode = view.getUint16(4, true)
    },
    [messages.stop]: stop,
    [messages.volume](body, view) {
      // One value for each channel; a page has one knob.
      volume = (body[0] ?? 0) > 0 ? view.getUint16(1, true) / fullVolume : 1
      setVolume()
    },
    [messages.mute](body) {
      muted = body[0] !== 0
      setVolume()
    },
    [messages.latency]() {},
  }
  const channel = openChannel({
    url,
    type: 5,
    id,
    message(type, body) {
      handlers[type]?.(body, viewOf(body))
      return type in handlers
    },
    // A desktop without sound is still a desktop.
    closed: stop,
  })
  return {
    wake: () => stream?.wake(),
    get seconds() {
      return played + (stream?.seconds ?? 0)
    },
    close() {
      stop()
      channel.close()
    },
  }
}

interface Stream {
  playOpus(packet: Uint8Array<ArrayBuffer>): void
  playSamples(bytes: Uint8Array<ArrayBuffer>): void
  setVolume(volume: number): void
  wake(): void
  readonly seconds: number
  close(): void
}

function openStream(channels: number, frequency: number): Stream {
  const context = new AudioContext({ sampleRate: frequency })
  const gain = context.createGain()
  gain.connect(context.destination)
  let next = 0
  let packets = 0
  let seconds = 0

  function play(buffer: AudioBuffer): void {
    const now = context.currentTime
    // While the browser keeps the sound back, its clock stands still and packets would gather.
    if (context.state !== 'running' || next - now > maxLeadSeconds) return
    if (next < now) next = now + leadSeconds
    const source = context.createBufferSource()
    source.buffer = buffer
    source.connect(gain)
    source.start(next)
    next += buffer.duration
    seconds += buffer.duration
  }
  const decoder = new AudioDecoder({
    output(sound) {
      const buffer = context.createBuffer(sound.numberOfChannels, sound.numberOfFrames, sound.sampleRate)
      for (let plane = 0; plane < sound.numberOfChannels; plane++)
        sound.copyTo(buffer.getChannelData(plane), { planeIndex: plane, format: 'f32-planar' })
      sound.close()
      play(buffer)
    },
    // It is closed then, and the sound over: playOpus looks at its state.
    error() {},
  })
  decoder.configure({ codec: 'opus', sampleRate: frequency, numberOfChannels: channels })

  return {
    playOpus(data) {
      if (decoder.state !== 'configured') return
      decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: packets++ * 10_000, data }))
    },
    playSamples(bytes) {
      const samples = new Int16Array(bytes.buffer, 0, bytes.length >> 1)
      const frames = Math.floor(samples.length / channels)
      if (frames === 0) return
      const buffer = context.createBuffer(channels, frames, frequency)
      for (let plane = 0; plane < channels; plane++) {
        const goal = buffer.getChannelData(plane)
        for (let frame = 0; frame < frames; frame++) goal[frame] = (samples[frame * channels + plane] ?? 0) / 0x8000
      }
      play(buffer)
    },
    setVolume(volume) {
      gain.gain.value = volume
    },
    wake: () => void context.resume(),
    get seconds() {
      return seconds
    },
    close() {
      if (decoder.state !== 'closed') decoder.close()
      void context.close()
    },
  }
}
