/** A SPICE server that sends more than anybody can read, or a main channel with news of the test's choice. */
import type { AddressInfo } from 'node:net'
import { makeSimSpiceServer, words } from '../../vmm/sim-spice.ts'

export interface Flood {
  host: string
  port: number
  close(): Promise<void>
}

export async function startFlood(options: {
  displayBytes?: number
  mainMessages?: readonly { type: number; body: Uint8Array }[]
}): Promise<Flood> {
  const sockets = new Set<{ destroy(): void }>()
  const server = makeSimSpiceServer({
    admit: () => true,
    refusal: () => 0,
    opened(channel) {
      sockets.add(channel.socket)
      if (channel.type === 1) {
        channel.send(103, words(7, 1, 3, 2, 0, 10, 0, 0))
        for (const { type, body } of options.mainMessages ?? []) channel.send(type, body)
      }
      return type => {
        if (channel.type !== 2 || type !== 101) return
        const picture = Buffer.alloc(1 << 20)
        let left = (options.displayBytes ?? 0) / picture.length
        const more = () => {
          while (left > 0 && !channel.socket.writableNeedDrain) {
            left--
            channel.send(102, picture)
          }
        }
        channel.socket.on('drain', more)
        more()
      }
    },
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
