/** Every route of the API, wired by hand: whoever adds a noun adds its line here. */
import { auditRoutes } from './audit.ts'
import { balanceRoutes } from './balance.ts'
import { bootQueueRoutes } from './boot-queue.ts'
import { clusterRoutes } from './clusters.ts'
import { consoleRoutes } from './consoles.ts'
import { copyRoutes } from './copies.ts'
import { customisationRoutes } from './customisation.ts'
import { desktopLogRoutes } from './desktop-log.ts'
import { desktopMakingRoutes } from './desktop-making.ts'
import { desktopRoutes } from './desktops.ts'
import { dongleRoutes } from './dongles.ts'
import { eventRoutes } from './events.ts'
import { exportRoutes } from './exports.ts'
import { fencingRoutes } from './fencing.ts'
import { foreignMachineRoutes } from './foreign-machines.ts'
import { groupRoutes } from './groups.ts'
import { hostHistoryRoutes } from './host-history.ts'
import { hostRoutes } from './hosts.ts'
import { loginRoutes } from './login.ts'
import { maintenanceRoutes } from './maintenance.ts'
import { migrationRoutes } from './migrations.ts'
import { placementRoutes } from './placements.ts'
import { poolRemovalRoutes } from './pool-removal.ts'
import { poolRoutes } from './pools.ts'
import { pushRoutes } from './pushes.ts'
import { screenRoutes } from './screens.ts'
import { siteRoutes } from './sites.ts'
import { snapshotRoutes } from './snapshots.ts'
import { storagePoolRoutes } from './storage-pools.ts'
import { storageRoutes } from './storages.ts'
import { taskRoutes } from './tasks.ts'
import { templateFileRoutes } from './template-files.ts'
import { templateRoutes } from './templates.ts'
import { tokenRoutes } from './tokens.ts'
import { uploadRoutes } from './uploads.ts'
import { userRoutes } from './users.ts'
import { verificationRoutes } from './verifications.ts'
import { volumeRoutes } from './volumes.ts'
import { xmlRoutes } from './xml.ts'

export const routes = [
  ...loginRoutes,
  ...poolRoutes,
  ...desktopMakingRoutes,
  ...placementRoutes,
  ...poolRemovalRoutes,
  ...pushRoutes,
  ...verificationRoutes,
  // Before `actions/{name}`, which would take its path.
  ...migrationRoutes,
  ...desktopRoutes,
  ...consoleRoutes,
  ...screenRoutes,
  ...xmlRoutes,
  ...snapshotRoutes,
  ...dongleRoutes,
  ...taskRoutes,
  ...eventRoutes,
  ...templateRoutes,
  ...copyRoutes,
  ...customisationRoutes,
  ...desktopLogRoutes,
  ...exportRoutes,
  ...templateFileRoutes,
  ...uploadRoutes,
  ...siteRoutes,
  ...clusterRoutes,
  ...balanceRoutes,
  ...maintenanceRoutes,
  ...fencingRoutes,
  ...hostRoutes,
  ...hostHistoryRoutes,
  ...foreignMachineRoutes,
  ...bootQueueRoutes,
  ...storageRoutes,
  ...storagePoolRoutes,
  ...volumeRoutes,
  ...userRoutes,
  ...groupRoutes,
  ...tokenRoutes,
  ...auditRoutes,
]
