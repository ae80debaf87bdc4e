/**
 * A guest's way from one libvirt to another: peer to peer, so that it goes on while we are away, and over TLS, both what
 * the two libvirts say and what the two QEMUs send.
 */
import { DOMParser, type Element, XMLSerializer } from '@xmldom/xmldom'
import { pause } from '../lib/clock.ts'
import { asHdcsError, HdcsError } from '../lib/errors.ts'
import type { Departure, Host, Progress } from './host.ts'
import type { LibvirtDaemon } from './libvirt/daemon.ts'
import { isLibvirt, LibvirtError } from './libvirt/errors.ts'
import { migrateFlags, xmlFlags } from './libvirt/flags.ts'
import type { TypedParams } from './libvirt/objects.ts'
import type { LibvirtDomains } from './libvirt-domains.ts'
import { refOf } from './libvirt-events.ts'
import { diskDeviceOf } from './machine-disk.ts'
import {
  firstPauseMs,
  type Ladder,
  ladderStart,
  type MigrationAct,
  migrationStats,
  migrationStep,
  type Rung,
} from './migrate.ts'

/** libvirt answers such questions in milliseconds; a QEMU that sends may take its time. */
const askMs = 10_000
/** The ladder of migrate.ts ends a move long before; this is for a libvirt that never answers. */
const sendMs = 24 * 3_600_000
/** Looked at so often. Longer: short moves are over before anything was told; shorter: QEMU answers instead of sending. */
const lookMs = 200
/** libvirt asks the target whether the guest runs there; with a broken line in between that takes its keepalive's time. */
const lastMomentMs = 60_000
/** VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT */
const migrationOut = 5

export interface LibvirtMovesOptions {
  /** A guest that does not get over otherwise may go on there before all of its memory came. */
  postCopy?: boolean
}

export function libvirtSend(
  daemon: LibvirtDaemon,
  domains: LibvirtDomains,
  { postCopy = false }: LibvirtMovesOptions,
  standsAlone: (id: string) => Promise<boolean>,
): Host['machineSend'] {
  /** Null: no migration of it goes on. */
  async function stats(id: string): Promise<TypedParams | null> {
    try {
      const { params } = await daemon.statistics.domainGetJobStats(
        { domain: refOf(id) },
        { timeoutMs: askMs, lane: id },
      )
      return params.operation === migrationOut ? params : null
    } catch (error) {
      if (isLibvirt(error, 'noDomain', 'operationInvalid')) return null
      throw error
    }
  }

  const acts = {
    'allow pause': (id: string, pauseMs: number) =>
      daemon.actions.domainMigrateSetMaxDowntime(
        { domain: refOf(id), pauseMs: BigInt(pauseMs) },
        { timeoutMs: askMs, lane: id },
      ),
    'post-copy': (id: string) =>
      daemon.actions.domainMigrateStartPostCopy({ domain: refOf(id) }, { timeoutMs: askMs, lane: id }),
    'give up': (id: string) => daemon.actions.domainAbortJob({ domain: refOf(id) }, { timeoutMs: askMs, lane: id }),
  }
  /** Done or not: the job may have ended in this moment, and the next look tells. */
  const act = async (id: string, wished: NonNullable<MigrationAct>) => {
    const done = wished.do === 'allow pause' ? acts['allow pause'](id, wished.pauseMs) : acts[wished.do](id)
    await done.catch(() => {}) // too early or too late for it: judged anew at the next look
  }

  /** Watches the job until it is over, climbs the ladder, and aborts when told to. */
  async function watch(
    id: string,
    isOver: () => boolean | Promise<boolean>,
    progress: Progress,
    signal: AbortSignal,
    over?: AbortSignal,
  ): Promise<Ladder> {
    let ladder: Ladder = ladderStart
    let started = false
    for (;;) {
      await pause(lookMs, over)
      if (await isOver()) return ladder
      if (signal.aborted) await act(id, { do: 'give up' })
      const params = await stats(id).catch(() => null) // libvirt is busy or away: looked at again
      if (!params) continue
      if (!started) await act(id, { do: 'allow pause', pauseMs: firstPauseMs })
      started = true
      const step = migrationStep(ladder, migrationStats(params), { postCopy })
      ladder = step.ladder
      progress(ladder.progress, step.text)
      if (step.act) await act(id, step.act)
    }
  }

  async function perform(id: string, departure: Departure, unsafe: boolean, progress: Progress, signal: AbortSignal) {
    const xml = await daemon.actions.domainGetXmlDesc(
      { domain: refOf(id), flags: xmlFlags.secure | xmlFlags.migratable },
      { timeoutMs: askMs },
    )
    const params = {
      destination_xml: arrivingXml(xml, departure.screen),
      // Else the target is asked for its name, which our DNS may not know.
      migrate_uri: `tcp://${new URL(departure.targetUri).hostname}`,
      // Its volumes are there already (broker/volume-reach.ts): copied too, they would be copied onto themselves.
      ...(departure.kind === 'storage' && { migrate_disks: [ownDisk(xml)] }),
    }
    // A connection of its own: the call is answered when the guest has moved, and takes a place until then.
    await using client = await daemon.streamClient()
    const { live, peerToPeer, tls, autoConverge, nonSharedInc } = migrateFlags
    const flags =
      live |
      peerToPeer |
      tls |
      autoConverge |
      (postCopy ? migrateFlags.postcopy : 0) |
      (departure.kind === 'storage' ? nonSharedInc : 0) |
      (unsafe ? migrateFlags.unsafe : 0)
    const over = new AbortController()
    const sent = client
      .domainMigratePerform3Params(
        { domain: refOf(id), destinationUri: departure.targetUri, params, flags },
        { timeoutMs: sendMs },
      )
      .then(
        () => null,
        thrown => ({ thrown }),
      )
      .finally(() => over.abort())
    const watched = watch(id, () => over.signal.aborted, progress, signal, over.signal)
    const [failure, ladder] = await Promise.all([sent, watched])
    if (failure) throw moveFailure(failure.thrown, ladder, signal)
  }

  /** A sending that an agent began which was killed since. @returns whether there was one that ended well. */
  async function join(id: string, progress: Progress, signal: AbortSignal): Promise<boolean> {
    if (!(await stats(id))) return false
    await watch(id, async () => (await stats(id)) === null, progress, signal)
    // Its last moment here: it stands still, and either goes or goes on.
    for (let waitedMs = 0; (await domains.find(id))?.arriving && waitedMs < lastMomentMs; waitedMs += lookMs)
      await pause(lookMs)
    if (!(await domains.find(id))) return true
    if (signal.aborted) throw new HdcsError('cancelled', 'The move was cancelled; the desktop stays where it was.')
    return false
  }

  /** libvirt does not see that the folder is shared. It asks only after it has dialled the target: once is enough. */
  let doubted = false

  return async (id, departure, progress, signal) => {
    await domains.get(id)
    if (await join(id, progress, signal)) return
    if (departure.kind === 'storage' && (await standsAlone(id)))
      throw new HdcsError(
        'unsupported',
        'The disk of this desktop stands on no image, which its new host’s would: shut the desktop down, then move it.',
      )
    const unsafe = departure.kind === 'live' && doubted
    try {
      await perform(id, departure, unsafe, progress, signal)
    } catch (error) {
      // libvirt knows NFS, Ceph and the like; any other folder that both hosts read the same identity in is shared as well.
      if (departure.kind !== 'live' || unsafe || !isLibvirt(error, 'migrateUnsafe')) throw error
      doubted = true
      await perform(id, departure, true, progress, signal)
    }
  }
}

/** Why a ladder ended in a move that was given up. */
const givenUp: Partial<Record<Rung, string>> = {
  'given up':
    'The migration does not converge: the guest changes its memory faster than it can be sent, also when it is slowed down. It goes on where it was. Move it again when it is less busy, or stopped.',
  stalled:
    'Nothing of the desktop was sent for two minutes. It goes on where it was. Look at the network between both hosts and at the storage of the target, then move it again.',
}

function moveFailure(thrown: unknown, ladder: Ladder, signal: AbortSignal): HdcsError {
  const error = asHdcsError(thrown)
  const why = givenUp[ladder.rung]
  if (why !== undefined) return new HdcsError('timeout', why, { cause: thrown })
  if (signal.aborted)
    return new HdcsError('cancelled', 'The move was cancelled; the desktop stays where it was.', { cause: thrown })
  const { cause } = error
  if (!(cause instanceof LibvirtError)) return error
  return new HdcsError(error.code, `${error.message} (error ${cause.code} of part ${cause.domain})`, { cause })
}

const elements = (parent: Element, name: string) => [...parent.getElementsByTagName(name)]

/** @throws HdcsError `protocol`. */
function ownDisk(text: string): string {
  const domain = new DOMParser().parseFromString(text, 'text/xml').documentElement
  const device = domain && diskDeviceOf(domain)
  if (!device) throw new HdcsError('protocol', 'libvirt’s description of the domain has no disk of its own.')
  return device
}

/** The domain as its new host shall have it: only where SPICE listens differs. @throws HdcsError `protocol`. */
export function arrivingXml(text: string, { address, port }: Departure['screen']): string {
  const document = new DOMParser().parseFromString(text, 'text/xml')
  const domain = document.documentElement
  if (!domain) throw new HdcsError('protocol', 'libvirt’s description of the domain is no XML.')
  for (const graphics of elements(domain, 'graphics').filter(found => found.getAttribute('type') === 'spice')) {
    graphics.setAttribute('listen', address)
    graphics.setAttribute('port', `${port ?? -1}`)
    graphics.setAttribute('autoport', port === null ? 'yes' : 'no')
    graphics.removeAttribute('tlsPort')
    for (const listen of elements(graphics, 'listen'))
      if (listen.getAttribute('type') === 'address') listen.setAttribute('address', address)
  }
  return new XMLSerializer().serializeToString(domain)
}
