import { describe, expect, it } from 'vitest'
import { type DiskMove, makeDiskMeetings } from '../../broker/moved-disks.ts'

const [source, target, moveId] = ['source', 'target', 'a move']
const never = new AbortController().signal
const sizeBytes = 3 * 65_536

function meetings() {
  const move: DiskMove = { fromHostId: source, toHostId: target, taken: false }
  return { move, ...makeDiskMeetings(async id => (id === moveId ? move : undefined)) }
}

/** Counts what was read of it. */
function disk(brokenAfter = Number.POSITIVE_INFINITY) {
  const read = { bytes: 0 }
  const content = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (read.bytes >= brokenAfter) return controller.error(new Error('the line broke'))
        if (read.bytes >= sizeBytes) return controller.close()
        read.bytes += 65_536
        controller.enqueue(new Uint8Array(65_536).fill(7))
      },
    },
    { highWaterMark: 0 },
  )
  return { read, offer: { sizeBytes, content } }
}

async function sizeOf(content: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const chunk of content) bytes += chunk.length
  return bytes
}

describe('a disk on its way', () => {
  it.each(['sender', 'taker'])(
    'goes through whole, the %s coming first, and is done when the target has it',
    async first => {
      const { send, take, move } = meetings()
      const { offer } = disk()
      const senders = () => send(source, moveId, offer, never)
      const early = first === 'sender' ? senders() : null
      const taking = take(target, moveId, never)
      const sending = early ?? senders()
      const { content } = await taking
      let done = false
      void sending.then(() => {
        done = true
      })
      expect(await sizeOf(content)).toBe(sizeBytes)
      expect(done).toBe(false)
      move.taken = true
      await sending
    },
  )

  it('is not read before somebody takes it, and not kept here', async () => {
    const { send, take } = meetings()
    const { offer, read } = disk()
    const sending = send(source, moveId, offer, never).catch(error => error)
    const { content } = await take(target, moveId, never)
    expect(read.bytes).toBe(0)
    await content.cancel()
    expect(await sending).toMatchObject({ code: 'unreachable' })
  })

  it('that was taken before is not sent again', async () => {
    const { send, move } = meetings()
    move.taken = true
    const { offer, read } = disk()
    await send(source, moveId, offer, never)
    expect(read.bytes).toBe(0)
  })

  it('that breaks off is tried again by both, and then comes whole', async () => {
    const { send, take, move } = meetings()
    const failing = send(source, moveId, disk(65_536).offer, never).catch(error => error)
    const { content } = await take(target, moveId, never)
    await expect(sizeOf(content)).rejects.toThrow('the line broke')
    expect(await failing).toMatchObject({ code: 'unreachable' })
    const sending = send(source, moveId, disk().offer, never)
    const again = await take(target, moveId, never)
    expect(await sizeOf(again.content)).toBe(sizeBytes)
    move.taken = true
    await sending
  })

  it('ends for whoever waits when the other goes away', async () => {
    const { send, take } = meetings()
    const gone = new AbortController()
    const taking = take(target, moveId, gone.signal).catch(error => error)
    const sending = send(source, moveId, disk().offer, gone.signal).catch(error => error)
    gone.abort()
    expect([await taking, await sending].some(answer => answer.code === 'unreachable')).toBe(true)
  })

  it('is for the two hosts of its move alone', async () => {
    const { send, take } = meetings()
    const refused = expect.objectContaining({ code: 'not_found' })
    await expect(send(target, moveId, disk().offer, never)).rejects.toEqual(refused)
    await expect(take(source, moveId, never)).rejects.toEqual(refused)
    await expect(take(target, 'another move', never)).rejects.toEqual(refused)
  })
})
