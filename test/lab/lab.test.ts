import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endedUnheard } from '../../vmm/libvirt-host.ts'
import { until } from '../support/site.ts'
import { groupsLeft } from './cgroups.ts'
import { type Lab, labUp } from './lab.ts'
import { labName, links } from './network.ts'

const folder = '/var/tmp/hdcs-lab-itself'
const hosts = ['h1', 'h2'].map(name => ({ name, cluster: 'main' }))
let lab: Lab
beforeAll(async () => {
  lab = await labUp({ folder, hosts, fresh: true })
}, 120_000)
afterAll(() => lab?.down(), 60_000)

/** A machine that finds nothing to boot from on its disk, and stays on. */
function machineXml(name: string, disk: string): string {
  const devices = `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>`
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>32</memory><os><type arch='x86_64'>hvm</type></os><devices>${devices}</devices></domain>`
}

async function run(host: string, xml: string): Promise<void> {
  await using daemon = await lab.daemon(host)
  const create = () => daemon.actions.domainCreateXml({ xml }, { timeoutMs: 60_000 })
  await create().catch(thrown => (endedUnheard(thrown) ? create() : Promise.reject(thrown)))
}

async function guests(host: string): Promise<string[]> {
  await using daemon = await lab.daemon(host)
  return (await daemon.actions.connectListAllDomains({})).map(({ name }) => name)
}

/** Whether its libvirt for other hosts is reached over the network. */
async function reached(host: string): Promise<boolean> {
  const socket = connect({ host: lab.host(host).address, port: 16514 })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(1_000) })
    return true
  } catch {
    return false // refused or silent: not reached
  } finally {
    socket.destroy()
  }
}

/** What the machine still keeps of the lab. */
async function leftovers(): Promise<Record<string, unknown[]>> {
  const name = labName(folder)
  const processes = readdirSync('/proc').filter(entry => /^\d+$/.test(entry) && commandOf(entry).includes(folder))
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })
  return {
    links: await links(name),
    groups: groupsLeft(name),
    processes: processes.map(commandOf),
    tables: tables.split('\n').filter(line => line.includes(name)),
  }
}
const nothing = { links: [], groups: [], processes: [], tables: [] }

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended while we looked
  }
}

describe('the lab', () => {
  it('gives each host a libvirt that the others reach by name, with certificates of its own', async () => {
    const identities = await Promise.all(
      hosts.map(async ({ name }) => {
        await using daemon = await lab.daemon(name)
        return /<uuid>(.*)<\/uuid>/.exec(await daemon.actions.connectGetCapabilities({}))?.[1]
      }),
    )
    expect(new Set(identities).size).toBe(2)
    const pki = '/etc/pki'
    const keys = `-cert ${pki}/libvirt/clientcert.pem -key ${pki}/libvirt/private/clientkey.pem`
    const check = `-CAfile ${pki}/CA/cacert.pem -verify_return_error -verify_hostname h2`
    const { stdout } = await lab.exec('h1', [
      'sh',
      '-c',
      `openssl s_client -connect h2:16514 ${keys} ${check} </dev/null 2>&1`,
    ])
    expect(stdout).toContain('Verify return code: 0 (ok)')
  })

  it('lets two hosts not open one disk, and the second one when the first lost power', async () => {
    writeFileSync(join(lab.storageOf('main'), 'disk.raw'), '')
    truncateSync(join(lab.storageOf('main'), 'disk.raw'), 2 ** 20)
    const disk = join(lab.storage, 'disk.raw')
    await run('h1', machineXml('one', disk))
    await expect(run('h2', machineXml('other', disk))).rejects.toThrow(/lock/)
    expect(await guests('h2')).toEqual([])
    await lab.kill('h1')
    await expect(lab.cut('h1')).rejects.toThrow('h1 does not run: start it first.')
    await expect(lab.heal('h1')).rejects.toThrow('h1 does not run: start it first.')
    await run('h2', machineXml('other', disk))
    expect(await guests('h2')).toEqual(['other'])
    await lab.start('h1')
    expect(await guests('h1')).toEqual([])
  })

  it('cuts a host off while it runs on, and plugs it in again', async () => {
    expect(await reached('h2')).toBe(true)
    await lab.cut('h2')
    expect(await reached('h2')).toBe(false)
    expect(await guests('h2')).toEqual(['other'])
    await lab.heal('h2')
    await until('h2 is reached again', () => reached('h2'))
  })

  it('keeps a host’s unit running, over its ends and power cuts', async () => {
    const marks = join(lab.host('h1').home, 'marks')
    await lab.unit('h1', { command: ['sh', '-c', `echo $MARK >>${marks}; sleep 600`], env: { MARK: "it's up" } })
    const runs = (times: number) => async () =>
      existsSync(marks) && readFileSync(marks, 'utf8') === "it's up\n".repeat(times)
    await until('it runs', runs(1))
    await lab.exec('h1', ['sh', '-c', `kill $(cat ${lab.host('h1').home}/unit.pid)`])
    await until('it runs again', runs(2))
    await lab.kill('h1')
    await lab.start('h1')
    await until('it runs after the power cut', runs(3))
  })

  it('ends with nothing left of it, guests included', async () => {
    expect(await leftovers()).not.toEqual(nothing)
    await lab.down()
    expect(await leftovers()).toEqual(nothing)
    expect(existsSync(folder)).toBe(false)
  })

  it('is swept away by the next one when its process was killed', async () => {
    const program = `const { labUp } = await import(${JSON.stringify(import.meta.resolve('./lab.ts'))})
      await labUp(${JSON.stringify({ folder, hosts })}); console.log('up'); setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    await until('its hosts ended with it', async () => (await leftovers()).processes?.length === 0)
    await using again = await labUp({ folder, hosts, fresh: true })
    expect(again.hosts.map(({ name }) => again.runs(name))).toEqual([true, true])
    await again.down()
    expect(await leftovers()).toEqual(nothing)
  })
})
