/** Dongles by the command line: as the API promises its answers. */
import { describe, expect, it } from 'vitest'
import { hdcs } from '../../cli/commands.ts'
import { exitCodes } from '../../cli/exit.ts'
import { type Asked, fakeServer, person } from './server.ts'

const host = { id: '01900000-0000-7000-8000-000000000011', name: 'h1' }
const desktop = { id: '01900000-0000-7000-8000-000000000014', name: 'cad-1', hostId: host.id }
const dongle = {
  id: '01900000-0000-7000-8000-0000000000d1',
  name: 'Aladdin HASP',
  hostName: 'h1',
  desktopName: 'cad-1',
  vendor: '0529',
  product: '0001',
  serial: 'A1',
  port: null,
  state: 'inUse',
  text: 'libvirt: USB device is in use',
}
const device = { ...dongle, name: undefined, vendorName: 'Aladdin', productName: 'HASP', port: '1-1', dongle }
const free = { ...device, vendor: '096e', serial: null, port: '1-2', dongle: null }

async function say(...words: string[]) {
  const sent: unknown[] = []
  const listed = (item: object) => () => ({ body: { items: [item], nextCursor: null } })
  await using server = await fakeServer({
    'GET /api/v1/hosts': listed(host),
    'GET /api/v1/desktops': listed(desktop),
    'GET /api/v1/dongles': listed(dongle),
    [`GET /api/v1/hosts/${host.id}/usb-devices`]: () => ({ body: { known: true, items: [device, free], absent: [] } }),
    'POST /api/v1/dongles': ({ body }: Asked) => {
      sent.push(JSON.parse(body))
      return { status: 201, body: dongle }
    },
    [`DELETE /api/v1/dongles/${dongle.id}`]: () => {
      sent.push('unbound')
      return { status: 204 }
    },
  })
  const spoken = person(server.url)
  const code = await hdcs(['dongles', ...words], spoken.around)
  return { code, out: spoken.out(), err: spoken.err(), sent }
}

describe('hdcs dongles', () => {
  it('shows which desktop has which, how it stands, and what is free on a host', async () => {
    expect((await say()).out).toMatch(/cad-1 +h1 +0529:0001:A1 +— +Aladdin HASP +inUse: libvirt: USB device is in use/)
    const { out } = await say('h1')
    expect(out).toMatch(/0529:0001:A1 +1-1 +Aladdin HASP +cad-1 +inUse/)
    expect(out).toMatch(/096e:0001 +1-2 +Aladdin HASP +— +free/)
  })

  it('binds by numbers and serial, and takes it out again', async () => {
    const bound = await say('bind', 'cad-1', '0529:0001:A1')
    expect(bound.sent).toEqual([
      { hostId: host.id, desktopId: desktop.id, vendor: '0529', product: '0001', serial: 'A1' },
    ])
    expect(bound.out).toContain('cad-1’s alone')
    expect((await say('bind', 'cad-1', '096E:0001', '--port', '1-2')).sent).toMatchObject([
      { vendor: '096e', port: '1-2' },
    ])
    expect((await say('unbind', 'cad-1', '0529:0001')).sent).toEqual(['unbound'])
  })

  it('says how a device is written, and that a desktop does not have one', async () => {
    const wrong = await say('bind', 'cad-1', 'hasp')
    expect(wrong).toMatchObject({ code: exitCodes.usage, sent: [] })
    expect(wrong.err).toContain('VENDOR:PRODUCT')
    expect(await say('unbind', 'cad-1', '0529:0002')).toMatchObject({ code: exitCodes.notFound, sent: [] })
  })
})
