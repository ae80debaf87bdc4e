/** Machines of hosts that were made without HDCS: what there is, and adopting one. */
import { HdcsError } from '../lib/errors.ts'
import { answer, type Context } from './context.ts'
import { poolFind } from './desktops.ts'
import { follow } from './follow.ts'
import { hostFind } from './maintenance.ts'
import { bytes, type Column, fields, table } from './print.ts'
import { userFind } from './users.ts'

type Foreign = Awaited<ReturnType<Context['client']['foreignMachineList']>>['items'][number]
interface Row extends Foreign {
  hostName: string
}

const refusal = ({ actions }: Foreign) => actions.find(({ name, allowed }) => name === 'adopt' && !allowed)?.reason
const disksOf = ({ disks }: Foreign) => bytes(disks.reduce((sum, disk) => sum + (disk.sizeBytes ?? 0), 0))

/** Of one host, or of all. */
export async function foreignList(context: Context, hostName?: string): Promise<void> {
  const { client, terminal } = context
  const hosts =
    hostName === undefined
      ? (await client.hostList({ query: { limit: 500 } })).items
      : [await hostFind(context, hostName)]
  const rows: Row[] = []
  for (const { id, name } of hosts) {
    const { items } = await client.foreignMachineList({ params: { id } })
    rows.push(...items.map(item => ({ ...item, hostName: name })))
  }
  const columns: Column<Row>[] = [
    { title: 'HOST', value: row => row.hostName },
    { title: 'MACHINE', value: row => row.name },
    { title: 'STATE', value: row => row.power },
    { title: 'VCPUS', value: row => String(row.vcpus), right: true },
    { title: 'MEMORY', value: row => bytes(row.memoryBytes), right: true },
    { title: 'DISKS', value: disksOf, right: true },
    { title: 'ADOPT', value: row => refusal(row) ?? 'can be adopted' },
  ]
  answer(context, { items: rows }, () =>
    rows.length === 0 ? 'No machine was made without HDCS there.' : table(rows, columns, terminal.width),
  )
}

export interface AdoptOptions {
  /** Whose it is; whoever asks unless given. */
  for?: string
  name?: string
  pool?: string
  /** Only say what would be done with it, and what speaks against it. */
  dryRun?: boolean
}

/** @throws HdcsError `conflict` when a dry run says that it cannot be adopted, `not_found` with the names there are. */
export async function foreignAdopt(
  context: Context,
  hostName: string,
  machineName: string,
  options: AdoptOptions,
): Promise<void> {
  const { client } = context
  const host = await hostFind(context, hostName)
  const { items } = await client.foreignMachineList({ params: { id: host.id } })
  const machine = items.find(({ id, name }) => name === machineName || id === machineName)
  if (!machine) {
    const known = items.length === 0 ? 'it has none' : `known: ${items.map(({ name }) => name).join(', ')}`
    throw new HdcsError(
      'not_found',
      `No machine made without HDCS on ${host.name} is called ${machineName} (${known}).`,
    )
  }
  const userId = (options.for === undefined ? await client.meGet() : await userFind(context, options.for)).id
  const poolId = options.pool === undefined ? undefined : (await poolFind(context, options.pool)).id
  if (options.dryRun) {
    answer(context, machine, () => planOf(machine, options))
    const refused = refusal(machine)
    if (refused !== undefined) throw new HdcsError('conflict', `${machine.name} cannot be adopted: ${refused}.`)
    return
  }
  const params = { id: host.id, foreignId: machine.id }
  const made = await client.foreignMachineAdopt({ params, body: { userId, name: options.name, poolId } })
  const task = await follow(context, made.task)
  answer(
    context,
    { ...made, task },
    () =>
      `${machine.name} is ${made.desktop.name} now: ${task.state}; its old disk stays: ${machine.disks[0]?.path ?? '—'}`,
  )
}

/** What its system finds otherwise than before. */
function changesOf({ disks: [disk], diskBus, firmware }: Foreign): string {
  const changes = [
    firmware === 'uefi' &&
      'its UEFI settings are not taken over (no Secure Boot): what its disk has under \\EFI\\BOOT\\BOOTX64.EFI starts',
    diskBus && disk && diskBus !== disk.bus && `its disk comes from ${disk.bus} to ${diskBus}`,
    'its network card: virtio, with an address of the pool',
  ]
  return changes.filter(change => change !== false && change !== undefined).join('; ')
}

function planOf(machine: Foreign, { name, pool }: AdoptOptions): string {
  const disks = machine.disks.map(disk => `${disk.path ?? 'without a file'} (${disk.format}, ${bytes(disk.sizeBytes)})`)
  return fields([
    ['Machine', `${machine.name}, ${machine.power}`],
    ['Becomes', `${name ?? 'a desktop of its name'} of the pool ${pool ?? 'adopted'}`],
    ['Has', `${machine.vcpus} vCPU, ${bytes(machine.memoryBytes)}, ${machine.video}`],
    ['Changes', changesOf(machine)],
    ['Copied', disks.join(', ')],
    ['Then', 'libvirt forgets the machine; its files stay where they are'],
    ['Against it', machine.obstacles.join('; ') || refusal(machine) || 'nothing'],
  ])
}
