import type { Broker } from '../broker.ts'
import { balanceReconciler } from './balance.ts'
import { binReconciler } from './bin.ts'
import { bulksReconciler } from './bulks.ts'
import { desktopsReconciler } from './desktops.ts'
import { startReconciler } from './driver.ts'
import { evacuationsReconciler } from './evacuations.ts'
import { hostsReconciler } from './hosts.ts'
import { migrationsReconciler } from './migrations.ts'
import { poolsReconciler } from './pools.ts'
import { pushesReconciler } from './pushes.ts'
import { returnsReconciler } from './returns.ts'
import { screenPortsReconciler } from './screen-ports.ts'
import { storageReconciler } from './storage.ts'
import { talliesReconciler } from './tallies.ts'
import { tasksReconciler } from './tasks.ts'
import { templatesReconciler } from './templates.ts'
import { verificationsReconciler } from './verifications.ts'

/** Every reconciler of the house, wired by hand. They run in the one process that leads. */
export function startReconcilers(broker: Broker) {
  const made = [
    desktopsReconciler,
    poolsReconciler,
    pushesReconciler,
    verificationsReconciler,
    hostsReconciler,
    templatesReconciler,
    tasksReconciler,
    migrationsReconciler,
    evacuationsReconciler,
    returnsReconciler,
    balanceReconciler,
    binReconciler,
    bulksReconciler,
    screenPortsReconciler,
    storageReconciler,
    talliesReconciler,
  ]
  const running = new Map(
    made.map(make => {
      const reconciler = make(broker)
      const report = (error: unknown) =>
        broker.log.error({ err: error, reconciler: reconciler.name }, 'a reconciler’s step failed; it is tried again')
      return [reconciler.name, startReconciler(reconciler, report)]
    }),
  )
  return {
    /** Wakes one, or all after notifications may have been missed. */
    nudge(name?: string) {
      if (name === undefined) for (const reconciler of running.values()) reconciler.nudge()
      else running.get(name)?.nudge()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...running.values()].map(reconciler => reconciler[Symbol.asyncDispose]()))
    },
  }
}
