import { describe, expect, it } from 'vitest'
import { type ClientOptions, openClient } from '../../../vmm/libvirt/client.ts'
import { packetStatus } from '../../../vmm/libvirt/packet.ts'
import { maxStreamBytes } from '../../../vmm/libvirt/streams.ts'
import { errorBytes, fakeLibvirt } from '../../support/fake-libvirt.ts'

const domain = { name: 'one', uuid: '11111111-2222-3333-4444-555555555555', id: 7 }
const volume = { pool: 'p', name: 'v', key: '/v' }
const bytesOf = (text: string) => new TextEncoder().encode(text)

async function opened(options: Partial<ClientOptions> = {}) {
  const daemon = fakeLibvirt()
  const client = await openClient(daemon.dial, { uri: 'test:///default', keepalive: null, ...options })
  return { daemon, client }
}

async function console() {
  const { daemon, client } = await opened()
  const asked = client.domainOpenConsole({ domain })
  const call = await daemon.next()
  call.answer()
  return { daemon, client, call, stream: await asked }
}

async function textOf(stream: AsyncIterable<Uint8Array>) {
  let text = ''
  for await (const bytes of stream) text += new TextDecoder().decode(bytes)
  return text
}

describe('a stream from libvirt', () => {
  it('gives out every byte, ends where libvirt has no more, and says that it got everything', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainScreenshot({ domain })
    const call = await daemon.next()
    call.answer('image/png')
    const stream = await asked
    expect(stream.result).toBe('image/png')
    for (const part of ['pic', 'tu', 're']) call.stream('more', bytesOf(part))
    call.stream('more')
    await expect(textOf(stream)).resolves.toBe('picture')
    expect(daemon.streamed).toMatchObject([{ serial: call.serial, status: packetStatus.ok }])
    call.stream('ok')
    await expect(stream.end()).resolves.toBeUndefined()
  })

  it('keeps bytes that come ahead of the answer', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainOpenConsole({ domain })
    const call = await daemon.next()
    call.stream('more', bytesOf('early'))
    call.answer()
    call.stream('ok')
    await expect(textOf(await asked)).resolves.toBe('early')
  })

  it('that fails in the middle throws libvirt’s error after what came before it', async () => {
    const { call, stream } = await console()
    call.stream('more', bytesOf('some'))
    call.stream('error', errorBytes(38, 'I/O failure'))
    let text = ''
    const read = async () => {
      for await (const bytes of stream) text += new TextDecoder().decode(bytes)
    }
    await expect(read()).rejects.toMatchObject({ code: 'internal', message: 'libvirt: I/O failure' })
    expect(text).toBe('some')
  })

  it('holds libvirt up while nobody reads, and lets it go on when somebody does', async () => {
    const { daemon, call, stream } = await console()
    const part = new Uint8Array(maxStreamBytes)
    for (let sent = 0; !daemon.state.paused; sent++) {
      expect(sent).toBeLessThan(100)
      call.stream('more', part)
    }
    const reader = stream[Symbol.asyncIterator]()
    while (daemon.state.paused) expect((await reader.next()).value).toHaveLength(maxStreamBytes)
    call.stream('more', bytesOf('end'))
    call.stream('ok')
    let last = new Uint8Array()
    for (let next = await reader.next(); !next.done; next = await reader.next()) last = new Uint8Array(next.value)
    expect(new TextDecoder().decode(last)).toBe('end')
  })

  it('throws unreachable when the connection breaks', async () => {
    const { daemon, stream } = await console()
    daemon.cut()
    await expect(textOf(stream)).rejects.toMatchObject({ code: 'unreachable' })
    await expect(stream.write(bytesOf('x'))).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('of a call that libvirt refuses never exists', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainOpenConsole({ domain })
    ;(await daemon.next()).refuse(9, 'Active console session exists for this domain')
    await expect(asked).rejects.toMatchObject({ cause: { code: 9 } })
  })

  it('that is granted after its caller’s deadline is given back at once', async () => {
    const { daemon, client } = await opened()
    await expect(client.domainOpenConsole({ domain }, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' })
    const call = await daemon.next()
    call.answer()
    expect(daemon.streamed).toMatchObject([{ serial: call.serial, status: packetStatus.error }])
  })
})

describe('a stream to libvirt', () => {
  it('cuts what is written into packets that every libvirt takes, and ends when libvirt confirms', async () => {
    const { daemon, client } = await opened()
    const asked = client.storageVolUpload({ volume })
    const call = await daemon.next()
    call.answer()
    const stream = await asked
    await stream.write(new Uint8Array(maxStreamBytes * 2 + 5))
    expect(daemon.streamed.map(({ payload }) => payload.length)).toEqual([maxStreamBytes, maxStreamBytes, 5])
    const ended = stream.end()
    expect(daemon.streamed.at(-1)).toMatchObject({ status: packetStatus.ok })
    call.stream('ok')
    await ended
    await expect(stream.write(bytesOf('x'))).rejects.toMatchObject({ code: 'conflict' })
  })

  it('waits while the connection takes no more', async () => {
    const { daemon, stream } = await console()
    daemon.state.full = true
    let written = false
    const writing = stream.write(new Uint8Array(maxStreamBytes + 1)).then(() => {
      written = true
    })
    expect([daemon.streamed.length, written]).toEqual([1, false])
    daemon.state.full = false
    daemon.drained()
    await writing
    expect(daemon.streamed.length).toBe(2)
  })

  it('tells at its end that libvirt could not keep the bytes', async () => {
    const { daemon, call, stream } = await console()
    const ended = stream.end()
    await daemon.until(() => daemon.streamed.length === 1)
    call.stream('error', errorBytes(38, 'No space left on device'))
    await expect(ended).rejects.toMatchObject({ message: 'libvirt: No space left on device' })
  })

  it('is aborted by disposing it, which waits for libvirt', async () => {
    const { daemon, call, stream } = await console()
    const disposed = stream[Symbol.asyncDispose]()
    expect(daemon.streamed).toMatchObject([{ status: packetStatus.error }])
    call.stream('error', errorBytes(39, 'stream aborted at client request'))
    await disposed
  })

  it('that has ended is not aborted again', async () => {
    const { daemon, call, stream } = await console()
    call.stream('ok')
    await stream[Symbol.asyncDispose]()
    expect(daemon.streamed).toEqual([])
  })

  it('does not wait for ever for a daemon that confirms nothing', async () => {
    const { daemon, client } = await opened()
    const asked = client.domainOpenConsole({ domain }, { timeoutMs: 20 })
    ;(await daemon.next()).answer()
    const stream = await asked
    await expect(stream.end()).rejects.toMatchObject({ code: 'timeout' })
  })
})
