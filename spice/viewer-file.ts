/**
 * The `.vv` file that remote-viewer opens (virt-viewer 11, remote-viewer(1)): a key file of one group. The sealed
 * ticket travels as the password of the proxy's address (connect-proxy.ts); the host is the desktop's name, which
 * nobody resolves.
 */
import { proxyUser } from './connect-proxy.ts'

export interface ViewerFile {
  /** The desktop's. */
  name: string
  /** `http://` or `https://`, without a path. */
  gatewayUrl: string
  sealedTicket: string
  spice: { port: number; password: string }
  /** Steers what the viewer offers to share; what may be shared is decided elsewhere. */
  usbFilter: string
}

/** Hotkeys that a file does not name are off. Ctrl-Alt-End is what remote desktops use for Ctrl-Alt-Del. */
const hotkeys = {
  'toggle-fullscreen': 'shift+f11',
  'release-cursor': 'shift+f12',
  'secure-attention': 'ctrl+alt+end',
} as const

/** @returns the file's text. */
export function viewerFileText(file: ViewerFile): string {
  const gateway = new URL(file.gatewayUrl)
  const port = gateway.port || (gateway.protocol === 'https:' ? '443' : '80')
  const lines: Record<string, string> = {
    type: 'spice',
    host: file.name,
    port: String(file.spice.port),
    password: file.spice.password,
    proxy: `${gateway.protocol}//${proxyUser}:${file.sealedTicket}@${gateway.hostname}:${port}`,
    title: file.name,
    'delete-this-file': '1',
    'enable-usb-autoshare': '0',
    'usb-filter': file.usbFilter,
    ...hotkeys,
  }
  return ['[virt-viewer]', ...Object.entries(lines).map(([key, value]) => `${key}=${keyFileValue(value)}`), ''].join(
    '\n',
  )
}

/** GLib's key files: a backslash starts an escape, and a line's end would start a line of the writer's choice. */
function keyFileValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
}
