/** `npm start`: control plane, gateway and this host's agent in one process, from the same parts as the separate ones. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { localHost } from '../broker/first-start.ts'
import { systemClock } from '../lib/clock.ts'
import type { Config } from '../lib/config.ts'
import { lockFolder } from '../lib/folder-lock.ts'
import type { Log } from '../lib/log.ts'
import { networksInTheWay, ownNetworks } from '../lib/routes.ts'
import { gatewayPath, makeGateway } from '../spice/gateway.ts'
import { hostPlace, runAgent } from './agent.ts'
import { type Control, startControl } from './control.ts'
import { runProcess } from './process.ts'

/** Resolves when everything serves; a second start finds what the first left, desktops included. */
export async function startAllInOne(config: Config, log: Log, tell: (text: string) => void): Promise<Control> {
  await using undo = new AsyncDisposableStack()
  let closeGateway = () => {}
  const control = undo.use(
    await startControl(config, log, {
      tell,
      doors: ticketKey => {
        const gateway = makeGateway({ ticketKey, clock: systemClock, log: log.child({ room: 'gateway' }) })
        closeGateway = () => gateway.close()
        return { ...gateway, path: gatewayPath }
      },
    }),
  )
  undo.defer(() => closeGateway())
  const ownFolder = join(config.dataFolder, 'host')
  // Against an agent of its own (bin/agent.ts) on the same folder.
  undo.use(lockFolder(ownFolder))
  if (config.simHosts > 0) tell(`starting ${config.simHosts} simulated hosts`)
  for (const name of localNames(config)) {
    if (config.simHosts === 0) tell('starting this host’s agent: checking libvirt, QEMU and KVM')
    const networks = networksInTheWay(ownNetworks(), control.installationId)
    const { key } = await localHost(control.broker, control.clusterId, name, networks)
    const controlUrl = localUrl(control.url)
    undo.use(
      await runAgent({
        ...(await hostPlace(config, ownFolder, controlUrl)),
        controlUrl,
        key,
        installationId: control.installationId,
        hostName: name,
        simulationFile: config.simHosts > 0 ? join(ownFolder, `${name}.json`) : null,
        log: log.child({ room: 'agent', host: name }),
      }),
    )
  }
  const kept = undo.move()
  return { ...control, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** The hosts that live in this process: simulated ones, this machine, or none. */
function localNames({ simHosts, localHost }: Config): string[] {
  if (simHosts > 0) return Array.from({ length: simHosts }, (_, index) => `sim-${index + 1}`)
  return localHost ? [hostname().split('.')[0] ?? 'host'] : []
}

/** An agent beside the control plane dials the loopback, whatever address it listens on. */
const localUrl = (url: string) => url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')

/** What a person needs to begin. */
export function sayReady(control: Control): void {
  console.log(`\nHDCS is ready:  ${control.url}`)
  if (control.admin.password !== null) {
    console.log(`  sign in as     ${control.admin.name}`)
    console.log(`  password       ${control.admin.password}   (once; also in ${control.admin.file})`)
  } else console.log(`  sign in as     ${control.admin.name}`)
}

if (import.meta.main)
  await runProcess('hdcs', async ({ config, log, tell }) => {
    const control = await startAllInOne(config, log, tell)
    sayReady(control)
    console.log('  Ctrl-C ends HDCS; desktops stay as they are.\n')
    return control
  })
