/**
 * SHA-256 fed piece by piece (FIPS 180-4): the browser's own digest wants the whole file in memory at once, and an
 * image may have many gigabytes. Browser-safe.
 */
const constants = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])
const begin = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]
const blockBytes = 64

export interface Sha256 {
  feed(bytes: Uint8Array): void
  /** Lower-case hex. Nothing can be fed after it. */
  hex(): string
}

export function makeSha256(): Sha256 {
  const hash = new Int32Array(begin)
  const words = new Int32Array(64)
  const rest = new Uint8Array(blockBytes)
  let restLength = 0
  let totalBytes = 0

  function block(bytes: Uint8Array, at: number) {
    for (let i = 0; i < 16; i += 1) {
      const from = at + i * 4
      words[i] =
        ((bytes[from] as number) << 24) |
        ((bytes[from + 1] as number) << 16) |
        ((bytes[from + 2] as number) << 8) |
        (bytes[from + 3] as number)
    }
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15] as number
      const y = words[i - 2] as number
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      words[i] = ((words[i - 16] as number) + s0 + (words[i - 7] as number) + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = hash as unknown as [number, number, number, number, number, number, number, number]
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const first = (h + s1 + ((e & f) ^ (~e & g)) + (constants[i] as number) + (words[i] as number)) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + first) | 0
      d = c
      c = b
      b = a
      a = (first + second) | 0
    }
    const mixed = [a, b, c, d, e, f, g, h]
    for (let i = 0; i < 8; i += 1) hash[i] = ((hash[i] as number) + (mixed[i] as number)) | 0
  }

  function feed(bytes: Uint8Array) {
    totalBytes += bytes.length
    let at = 0
    if (restLength > 0) {
      at = Math.min(blockBytes - restLength, bytes.length)
      rest.set(bytes.subarray(0, at), restLength)
      restLength += at
      if (restLength < blockBytes) return
      block(rest, 0)
      restLength = 0
    }
    for (; at + blockBytes <= bytes.length; at += blockBytes) block(bytes, at)
    rest.set(bytes.subarray(at))
    restLength = bytes.length - at
  }

  return {
    feed,
    hex() {
      const bits = totalBytes * 8
      const padding = new Uint8Array((restLength < 56 ? 56 : 120) - restLength + 8)
      padding[0] = 0x80
      const view = new DataView(padding.buffer)
      view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32))
      view.setUint32(padding.length - 4, bits >>> 0)
      feed(padding)
      return [...hash].map(word => (word >>> 0).toString(16).padStart(8, '0')).join('')
    },
  }
}

/** Larger: the page stalls longer per piece; smaller: more overhead per piece. */
const pieceBytes = 4 * 1024 * 1024

/** The checksum of a file, read piece by piece. @throws the signal's reason when it is aborted */
export async function fileSha256(file: Blob, told: (doneBytes: number) => void, signal: AbortSignal): Promise<string> {
  const sha = makeSha256()
  for (let at = 0; at < file.size; at += pieceBytes) {
    signal.throwIfAborted()
    sha.feed(new Uint8Array(await file.slice(at, at + pieceBytes).arrayBuffer()))
    told(Math.min(file.size, at + pieceBytes))
  }
  return sha.hex()
}
