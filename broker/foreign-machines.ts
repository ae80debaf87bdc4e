/**
 * Machines of a host that somebody made without us: shown as the host tells of them, and left alone until an administrator
 * adopts one. Then it becomes a desktop of a persistent pool whose template is an empty disk; its host copies its disk.
 */
import type { Principal } from '../auth/principal.ts'
import type { Tx } from '../db/connect.ts'
import {
  blankVersion,
  desktopAdopts,
  desktopIdUsed,
  desktopsAdopting,
  foreignMachines,
  slotFree,
} from '../db/foreign-machines.ts'
import { hostStateLock } from '../db/hosts.ts'
import { desktopsInsert } from '../db/making.ts'
import { poolGrowLock, poolInsert, poolRows, subjectsUnknown } from '../db/pools.ts'
import type { HardwareValue } from '../db/schema.ts'
import { templateInsert, templateRows } from '../db/templates.ts'
import { transact } from '../db/transact.ts'
import { HdcsError, nameTaken } from '../lib/errors.ts'
import { hardwareFull, videos } from '../lib/hardware.ts'
import { newId } from '../lib/ids.ts'
import type { ForeignMachine } from '../vmm/report.ts'
import type { Broker } from './broker.ts'
import { nameRefusal } from './desktop-names.ts'
import { type DesktopView, desktopGet } from './desktops.ts'
import { hostGet } from './hosts.ts'
import { columnsOf, defaults } from './pool-wish.ts'
import { actionsFrom, conflictWhen } from './refusals.ts'
import { type TaskView, taskOpen } from './tasks.ts'
import { versionMake } from './templates.ts'

/** Of the pool and the template that are made for adopted machines where none is named. */
const ownPool = 'adopted'
const ownTemplate = 'empty-disk'
/** More adopted machines than one installation has. */
const ownPoolSize = 1_000

/** What a desktop may have (api/hardware.ts). */
const mostVcpus = 64
const leastMemoryBytes = 64 * 2 ** 20
/** An id as we would make one; libvirt takes others. */
const idForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** @throws HdcsError `not_found`. */
export async function foreignMachineList(broker: Broker, principal: Principal, hostId: string) {
  await hostGet(broker, principal, hostId)
  const machines = (await foreignMachines(broker.db, hostId)) ?? []
  const ids = machines.map(({ id }) => id)
  const adopting = new Map((await desktopsAdopting(broker.db, hostId, ids)).map(row => [row.wished_adopt, row]))
  const forbidden = principal.permissions.has('desktop.write') ? undefined : 'only administrators may do this'
  const items = machines.flatMap(({ obstacles, ...machine }) => {
    const desktop = adopting.get(machine.id)
    // It is ours by now; its host tells so soon.
    if (desktop && desktop.disk_incarnation !== null) return []
    const refused = desktop ? `it is being adopted as ${desktop.name}` : obstacles[0]
    return [
      {
        ...machine,
        obstacles,
        desktop: desktop ? { id: desktop.id, name: desktop.name } : null,
        actions: actionsFrom({ adopt: forbidden ?? refused }),
      },
    ]
  })
  return { items, nextCursor: null }
}

export interface AdoptAsk {
  userId: string
  name?: string | undefined
  /** A persistent pool whose template is an empty disk; unless given, one of ours. */
  poolId?: string | undefined
}

/**
 * It is its person's from the first moment and stands still; its host copies the disk, and until that is whole the machine
 * is what it was.
 * @throws HdcsError `not_found` (host, machine), `conflict` (an obstacle, its host, its name), `invalid` at its field.
 */
export async function foreignMachineAdopt(
  broker: Broker,
  principal: Principal,
  { hostId, foreignId }: { hostId: string; foreignId: string },
  ask: AdoptAsk,
): Promise<{ task: TaskView; desktop: DesktopView }> {
  const host = await hostGet(broker, principal, hostId)
  const now = broker.clock.now()
  const made = await transact(broker.db, async tx => {
    const machine = await adoptable(tx, hostId, foreignId)
    if ((await hostStateLock(tx, hostId)) !== 'online')
      throw new HdcsError('conflict', `${host.name} is not online: adopt its machines when it is.`)
    const [unknown] = await subjectsUnknown(tx, [ask.userId], [])
    if (unknown !== undefined) throw atField('userId', 'There is no such person.')
    const pool = await poolFor(tx, ask.poolId, host.clusterId, now)
    await poolGrowLock(tx, pool.id)
    // Another request may have been first: what it wrote is seen now.
    if ((await desktopsAdopting(tx, hostId, [foreignId])).length > 0)
      throw new HdcsError('conflict', `${machine.name} is being adopted already.`)
    const id = idForm.test(foreignId) && !(await desktopIdUsed(tx, foreignId)) ? foreignId : newId(now.getTime())
    const name = ask.name ?? nameOf(machine.name)
    const taskId = newId(now.getTime())
    const [one] = await desktopsInsert(tx, {
      poolId: pool.id,
      poolName: pool.name,
      name,
      versionId: pool.versionId,
      hardware: hardwareOf(machine, pool.hardware),
      power: 'stopped',
      reason: `${machine.name} of ${host.name} adopted by ${principal.name}`,
      now,
      claim: { userId: ask.userId, slot: await slotFree(tx, pool.id, ask.userId), taskId },
      desktops: [{ id, hostId, why: 'it was on this host before it was adopted', hosts: [] }],
    })
    if (!one) throw nameTaken((await nameRefusal(tx, name)) ?? 'The name was taken in this moment: choose another one.')
    await desktopAdopts(tx, one.id, foreignId)
    const subject = { type: 'desktop', ...one }
    return {
      id: one.id,
      task: await taskOpen(tx, { id: taskId, kind: 'desktop.adopt', subject, requestedBy: principal }, now),
    }
  })
  return { task: made.task, desktop: await desktopGet(broker, principal, made.id) }
}

async function adoptable(tx: Tx, hostId: string, foreignId: string): Promise<ForeignMachine> {
  const machine = (await foreignMachines(tx, hostId))?.find(({ id }) => id === foreignId)
  if (!machine) throw new HdcsError('not_found', 'There is no such machine on this host.')
  const [obstacle] = machine.obstacles
  if (obstacle !== undefined) throw new HdcsError('conflict', `${machine.name} cannot be adopted: ${obstacle}.`)
  return machine
}

/** As much of its own name as a desktop's may have. */
function nameOf(foreignName: string): string {
  const plain = foreignName.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return plain.slice(0, 40).replace(/^-+|-+$/g, '') || 'adopted'
}

function hardwareOf(machine: ForeignMachine, base: HardwareValue): HardwareValue {
  // Any guest draws on `vga`, whatever drivers it has.
  const video = videos.find(known => known === machine.video) ?? 'vga'
  const vcpus = Math.min(mostVcpus, Math.max(1, machine.vcpus))
  const memoryBytes = Math.max(leastMemoryBytes, machine.memoryBytes)
  const { firmware, diskBus } = hardwareFull(machine)
  return { ...base, vcpus, memoryBytes, video, diskBytes: machine.disks[0]?.sizeBytes || null, firmware, diskBus }
}

interface AdoptingPool {
  id: string
  name: string
  versionId: string
  hardware: HardwareValue
}

async function poolFor(tx: Tx, poolId: string | undefined, clusterId: string, now: Date): Promise<AdoptingPool> {
  const [row] = await poolRows(tx, poolId === undefined ? { name: ownPool } : { ids: [poolId] })
  if (!row && poolId === undefined) return poolMake(tx, now)
  if (!row) throw atField('poolId', 'There is no such pool.')
  const version = await blankVersion(tx, row.template_id)
  const refused =
    row.kind !== 'persistent'
      ? 'is floating: its desktops are destroyed when they are given back'
      : version === undefined
        ? 'has a template of its own; adopted machines need one that is an empty disk'
        : !row.wished_present
          ? 'is being removed'
          : row.cluster_ids.length > 0 && !row.cluster_ids.includes(clusterId)
            ? 'is not for the cluster of this host'
            : undefined
  if (refused !== undefined || !version)
    throw atField('poolId', `The pool ${row.name} ${refused}: choose another one, or make one.`)
  return { id: row.id, name: row.name, versionId: version.id, hardware: version.hardware }
}

/** A pool of ours for adopted machines: nobody may claim from it, and nothing is made in it by itself. */
async function poolMake(tx: Tx, now: Date): Promise<AdoptingPool> {
  const { template_id: templateId, hardware, id: versionId } = (await blankVersion(tx)) ?? (await templateMake(tx, now))
  const id = newId(now.getTime())
  const wish = { ...defaults, name: ownPool, description: 'Machines that were on the hosts before.' }
  const sizes = { minSize: 0, maxSize: ownPoolSize, warm: 0, cold: 0, maxPerUser: 1, enabled: true }
  await poolInsert(tx, { id, kind: 'persistent', template_id: templateId, ...columnsOf({ ...wish, ...sizes }) }).catch(
    conflictWhen('taken', 'The pool for adopted machines was made in this very moment: try again.'),
  )
  return { id, name: ownPool, versionId, hardware }
}

async function templateMake(tx: Tx, now: Date) {
  const [taken] = await templateRows(tx, { name: ownTemplate })
  if (taken)
    throw new HdcsError('conflict', `The template ${ownTemplate} has no version that is an empty disk: add one to it.`)
  const template = { id: newId(now.getTime()), name: ownTemplate }
  const hardware: HardwareValue = {
    vcpus: 1,
    memoryBytes: 2 ** 30,
    video: 'vga',
    diskBytes: 20 * 2 ** 30,
    sound: false,
  }
  const description = 'An empty disk: for machines that bring their own, or are installed.'
  await templateInsert(tx, { ...template, description, hardware, ready_when: 'running' })
  const notes = 'Made for adopted machines.'
  await versionMake(tx, template, { source: { kind: 'blank' }, notes }, null, now)
  const version = await blankVersion(tx, template.id)
  if (!version) throw new HdcsError('internal', 'The template that was just made is not there.')
  return version
}

const atField = (field: string, message: string) =>
  new HdcsError('invalid', message, { fields: [{ field: `body.${field}`, message }] })
