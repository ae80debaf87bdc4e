/** USB devices of hosts: what is plugged in, and which desktop has which of it for itself. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { find } from './find.ts'
import { type Column, table } from './print.ts'

type Dongle = Awaited<ReturnType<Context['client']['dongleList']>>['items'][number]
type UsbDevice = Awaited<ReturnType<Context['client']['usbDeviceList']>>['items'][number]

const key = ({ vendor, product, serial }: Dongle | UsbDevice) =>
  [vendor, product, ...(serial === null ? [] : [serial])].join(':')
const state = (dongle: Dongle) => [dongle.state ?? 'not told yet', dongle.text].filter(text => text !== '').join(': ')

/** All that are bound; of a host: what is plugged into it, and what is bound there and is not. */
export async function dongleList(context: Context, hostName?: string): Promise<void> {
  const { client, terminal } = context
  if (hostName !== undefined) return usbDeviceList(context, hostName)
  const page = await client.dongleList({ query: { limit: 500 } })
  const columns: Column<Dongle>[] = [
    { title: 'DESKTOP', value: dongle => dongle.desktopName },
    { title: 'HOST', value: dongle => dongle.hostName },
    { title: 'DEVICE', value: key },
    { title: 'PORT', value: dongle => dongle.port ?? '—' },
    { title: 'NAME', value: dongle => dongle.name },
    { title: 'STATE', value: state },
  ]
  answer(context, page, () =>
    page.items.length === 0
      ? 'No USB device is bound to a desktop. What is plugged into a host: hdcs dongles HOST'
      : table(page.items, columns, terminal.width),
  )
}

async function usbDeviceList(context: Context, hostName: string): Promise<void> {
  const { client, terminal } = context
  const { id, name } = await find(
    'host',
    hostName,
    id => client.hostGet({ params: { id } }),
    query => client.hostList({ query }),
  )
  const seen = await client.usbDeviceList({ params: { id } })
  const columns: Column<UsbDevice | Dongle>[] = [
    { title: 'DEVICE', value: key },
    { title: 'PORT', value: one => one.port ?? '—' },
    { title: 'NAME', value: one => ('name' in one ? one.name : `${one.vendorName} ${one.productName}`.trim()) },
    { title: 'DESKTOP', value: one => ('name' in one ? one.desktopName : (one.dongle?.desktopName ?? '—')) },
    { title: 'STATE', value: one => ('name' in one ? state(one) : one.dongle ? state(one.dongle) : 'free') },
  ]
  const rows = [...seen.items, ...seen.absent]
  answer(context, seen, () => {
    if (!seen.known) return `${name} does not tell of its USB devices.`
    return rows.length === 0 ? `No USB device is plugged into ${name}.` : table(rows, columns, terminal.width)
  })
}

/** `0529:0001` or `0529:0001:SERIAL`. @throws HdcsError `invalid`. */
function deviceOf(text: string) {
  const [, vendor = '', product = '', serial] = /^([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?$/i.exec(text) ?? []
  if (vendor === '')
    throw new HdcsError(
      'invalid',
      `“${text}” is no device: VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL, as hdcs dongles HOST shows.`,
    )
  return { vendor: vendor.toLowerCase(), product: product.toLowerCase(), serial }
}

export async function dongleBind(
  context: Context,
  desktopName: string,
  device: string,
  { port }: { port?: string },
): Promise<void> {
  const wanted = deviceOf(device)
  const { id, name, hostId } = await desktopFind(context, desktopName)
  if (hostId === null) throw new HdcsError('conflict', `${name} is on no host yet.`)
  const dongle = await context.client.dongleBind({ body: { hostId, desktopId: id, ...wanted, port } })
  answer(context, dongle, () => `${dongle.name} of ${dongle.hostName} is ${name}’s alone, which stays there`)
}

export async function dongleUnbind(context: Context, desktopName: string, device: string): Promise<void> {
  const { client } = context
  const { vendor, product, serial } = deviceOf(device)
  const { id: desktopId, name } = await desktopFind(context, desktopName)
  const { items } = await client.dongleList({ query: { desktopId } })
  const [dongle, ...more] = items.filter(
    one => one.vendor === vendor && one.product === product && (serial === undefined || one.serial === serial),
  )
  if (!dongle) throw new HdcsError('not_found', `${name} has no such device: hdcs dongles`)
  if (more.length > 0)
    throw new HdcsError('conflict', `${name} has several of them: hdcs call dongleUnbind id=… (hdcs --json dongles)`)
  await client.dongleUnbind({ params: { id: dongle.id } })
  answer(context, dongle, () => `${dongle.name} is bound to no desktop any more`)
}
