/** A guest's way from one libvirt to another: peer to peer, so that it goes on while we are away. */
import { HdcsError } from '../lib/errors.ts'
import type { Host } from './host.ts'

const notYet = () => Promise.reject(new HdcsError('unsupported', 'This host cannot send desktops to others yet.'))

export const libvirtMoves = (): Pick<Host, 'arrivalPrepare' | 'machineSend' | 'overlaySend' | 'overlayFetch'> => ({
  arrivalPrepare: notYet,
  machineSend: notYet,
  overlaySend: notYet,
  overlayFetch: notYet,
})
