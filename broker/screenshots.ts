/** Small looks at a screen: taken while somebody looks, one for all who do, and given to nobody else. */
import type { Principal } from '../auth/principal.ts'
import { HdcsError } from '../lib/errors.ts'
import { hostAsk } from './asking.ts'
import type { Broker } from './broker.ts'
import { desktopGet } from './desktops.ts'

/** So old a picture is shown to the next who asks. Shorter: each looker costs a picture; longer: nobody calls it live. */
const freshMs = 2_000
/** Forgotten then. Pictures of a desktop nobody looks at any more are worth no memory. */
const keptMs = 10_000

interface Look {
  askedMs: number
  picture: Promise<Buffer>
}
const looks = new WeakMap<Broker, Map<string, Look>>()

const pngHead = Buffer.from([0x89, 0x50, 0x4e, 0x47])

/**
 * @returns the picture as PNG, and how old it is.
 * @throws HdcsError `not_found`, `conflict` while it does not run, `unsupported` where its host's QEMU makes other
 *   pictures, and what the host says of why it cannot.
 */
export async function desktopScreenshot(broker: Broker, principal: Principal, desktopId: string) {
  const desktop = await desktopGet(broker, principal, desktopId)
  const refused = desktop.actions.find(({ name }) => name === 'screen')?.reason
  const { hostId } = desktop
  if (refused !== undefined || hostId === null)
    throw new HdcsError('conflict', `${desktop.name}: ${refused ?? 'it is on no host'}.`)
  const { picture, askedMs } = lookAt(broker, desktopId, hostId)
  return { png: await picture, ageSeconds: Math.round((broker.clock.now().getTime() - askedMs) / 1000) }
}

function lookAt(broker: Broker, desktopId: string, hostId: string): Look {
  const nowMs = broker.clock.now().getTime()
  let known = looks.get(broker)
  if (!known) {
    known = new Map()
    looks.set(broker, known)
  }
  for (const [id, { askedMs }] of known) if (nowMs - askedMs > keptMs) known.delete(id)
  const last = known.get(desktopId)
  if (last && nowMs - last.askedMs < freshMs) return last
  const look = { askedMs: nowMs, picture: take(broker, desktopId, hostId) }
  known.set(desktopId, look)
  return look
}

/** Not given up with who asked first: others may wait for the same. */
async function take(broker: Broker, machineId: string, hostId: string): Promise<Buffer> {
  const picture = await hostAsk(broker, { hostId, machineId, name: 'screenshot' }, new AbortController().signal)
  if (picture.subarray(0, pngHead.length).equals(pngHead)) return picture
  throw new HdcsError('unsupported', 'The QEMU of its host is too old to make a PNG of its screen: open the screen.')
}
