/**
 * Reads along on the main channel what the gateway must know, from the six-byte headers alone: the session id that
 * the other channels name (MAIN_INIT), and that the desktop moves to another host (MIGRATE_SWITCH_HOST).
 */
export type MainNews = { type: 'session'; sessionId: number } | { type: 'moved' }

const headerBytes = 6
const mainInit = 103
const migrateSwitchHost = 111

export class MainWatch {
  /** The header, and of MAIN_INIT the first word, as far as they came. */
  #head: number[] = []
  #skip = 0

  feed(bytes: Uint8Array): MainNews[] {
    const news: MainNews[] = []
    for (let at = 0; at < bytes.length; ) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, bytes.length - at)
        this.#skip -= step
        at += step
        continue
      }
      this.#head.push(bytes[at++] ?? 0)
      if (this.#head.length < headerBytes) continue
      const view = new DataView(Uint8Array.from(this.#head).buffer)
      const [type, size] = [view.getUint16(0, true), view.getUint32(2, true)]
      const wanted = type === mainInit && size >= 4 ? headerBytes + 4 : headerBytes
      if (this.#head.length < wanted) continue
      if (type === mainInit && size >= 4) news.push({ type: 'session', sessionId: view.getUint32(headerBytes, true) })
      if (type === migrateSwitchHost) news.push({ type: 'moved' })
      this.#skip = size - (wanted - headerBytes)
      this.#head = []
    }
    return news
  }
}
