import { describe, expect, it } from 'vitest'
import { viewerFileText } from '../../spice/viewer-file.ts'

const file = {
  name: 'demo-7',
  gatewayUrl: 'http://desk.example:8080',
  sealedTicket: 'aaa..bbb.ccc.ddd',
  spice: { host: '10.0.0.9', port: 5901, password: 'one-time' },
  usbFilter: '-1,-1,-1,-1,0',
}

describe('a viewer file', () => {
  it('names the gateway with the ticket, and nothing of where the desktop really is', () => {
    expect(viewerFileText(file)).toBe(
      [
        '[virt-viewer]',
        'type=spice',
        'host=demo-7',
        'port=5901',
        'password=one-time',
        'proxy=http://ticket:aaa..bbb.ccc.ddd@desk.example:8080',
        'title=demo-7',
        'delete-this-file=1',
        'enable-usb-autoshare=0',
        'usb-filter=-1,-1,-1,-1,0',
        'toggle-fullscreen=shift+f11',
        'release-cursor=shift+f12',
        'secure-attention=ctrl+alt+end',
        '',
      ].join('\n'),
    )
  })

  it('always names a port, because a proxy has another default than the web', () => {
    expect(viewerFileText({ ...file, gatewayUrl: 'http://desk.example' })).toContain('@desk.example:80\n')
    expect(viewerFileText({ ...file, gatewayUrl: 'https://desk.example' })).toContain(
      'proxy=https://ticket:aaa..bbb.ccc.ddd@desk.example:443\n',
    )
    expect(viewerFileText({ ...file, gatewayUrl: 'http://[::1]:8080' })).toContain('@[::1]:8080\n')
  })

  it('lets no value write a line of its own', () => {
    const text = viewerFileText({ ...file, name: 'x\nproxy=http://evil.example:1\\' })
    expect(text.split('\n').filter(line => line.startsWith('proxy='))).toHaveLength(1)
    expect(text).toContain('title=x\\nproxy=http://evil.example:1\\\\\n')
  })
})
