import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeAgent } from '../../spice/channels/agent.ts'
import { pack } from '../../spice/wire.ts'

const message = (type: number, body: Uint8Array) =>
  Buffer.concat([pack(['u32', 1], ['u32', type], ['u64', 0], ['u32', body.length]), body])
const capabilities = message(6, pack(['u32', 0], ['u32', (1 << 5) | (1 << 6)]))

function watchedAgent(tokens = 1000) {
  const seen = { pieces: [] as Uint8Array[], tokens: 0, copied: [] as string[] }
  const agent = makeAgent({
    send: piece => seen.pieces.push(piece),
    tokens: count => {
      seen.tokens += count
    },
    clipboard: text => seen.copied.push(text),
  })
  agent.start(tokens)
  return { agent, seen, types: () => seen.pieces.map(piece => Buffer.from(piece).readUInt32LE(4)) }
}

describe("the guest's agent", () => {
  it('is understood however its messages are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 500 }), { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 700 })),
        (texts, sizes) => {
          const { agent, seen } = watchedAgent()
          const bytes = Buffer.concat([
            capabilities,
            ...texts.map(text => message(4, Buffer.concat([pack(['u32', 0], ['u32', 1]), Buffer.from(text)]))),
          ])
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value
            agent.piece(bytes.subarray(at, at + size))
            at += size
          }
          expect(seen.copied).toEqual(texts.map(text => Buffer.from(text).toString()))
        },
      ),
    )
  })

  it('is sent no more pieces than it has tokens for, and the rest when it gives some back', () => {
    const { agent, seen } = watchedAgent(2)
    agent.piece(capabilities)
    agent.clipboardOffer('x'.repeat(10_000))
    agent.piece(message(8, pack(['u32', 0], ['u32', 1])))
    expect(seen.pieces).toHaveLength(2)
    agent.addTokens(100)
    const answer = Buffer.concat(seen.pieces.slice(2))
    expect(answer.readUInt32LE(4)).toBe(4)
    expect(answer.length).toBe(20 + 8 + 10_000)
    expect(seen.pieces.every(piece => piece.length <= 2048)).toBe(true)
  })

  it('gets its tokens back', () => {
    const { agent, seen } = watchedAgent()
    for (let i = 0; i < 10; i++) agent.piece(capabilities)
    expect(seen.tokens).toBe(10)
  })

  it('does not make us keep a message of any size it likes', () => {
    const { agent, seen } = watchedAgent()
    agent.piece(capabilities)
    agent.piece(pack(['u32', 1], ['u32', 4], ['u64', 0], ['u32', (16 << 20) + 1]))
    for (let sent = 0; sent < (16 << 20) + 1; sent += 1 << 20)
      agent.piece(new Uint8Array(Math.min(1 << 20, (16 << 20) + 1 - sent)))
    agent.piece(message(4, Buffer.concat([pack(['u32', 0], ['u32', 1]), Buffer.from('after')])))
    expect(seen.copied).toEqual(['after'])
  })

  it('is offered a text once it has introduced itself, and asked for utf-8 when the guest copies', () => {
    const { agent, types } = watchedAgent()
    agent.clipboardOffer('early')
    expect(types()).toEqual([6])
    agent.piece(capabilities)
    expect(types()).toEqual([6, 7])
    agent.piece(message(7, pack(['u32', 0], ['u32', 5], ['u32', 1])))
    expect(types()).toEqual([6, 7, 8])
    agent.piece(message(7, pack(['u32', 1], ['u32', 1])))
    expect(types()).toEqual([6, 7, 8])
  })

  it('never makes us throw on nonsense', () => {
    fc.assert(
      fc.property(fc.nat(12), fc.uint8Array({ maxLength: 40 }), (type, body) => {
        const { agent } = watchedAgent()
        agent.piece(capabilities)
        agent.piece(message(type, body))
      }),
    )
  })
})
