/** Every route of the API, wired by hand: whoever adds a noun adds its line here. */
import { auditRoutes } from './audit.ts'
import { balanceRoutes } from './balance.ts'
import { bootQueueRoutes } from './boot-queue.ts'
import { clusterRoutes } from './clusters.ts'
import { copyRoutes } from './copies.ts'
import { desktopRoutes } from './desktops.ts'
import { eventRoutes } from './events.ts'
import { fencingRoutes } from './fencing.ts'
import { groupRoutes } from './groups.ts'
import { hostHistoryRoutes } from './host-history.ts'
import { hostRoutes } from './hosts.ts'
import { loginRoutes } from './login.ts'
import { maintenanceRoutes } from './maintenance.ts'
import { migrationRoutes } from './migrations.ts'
import { placementRoutes } from './placements.ts'
import { poolRoutes } from './pools.ts'
import { siteRoutes } from './sites.ts'
import { taskRoutes } from './tasks.ts'
import { templateRoutes } from './templates.ts'
import { tokenRoutes } from './tokens.ts'
import { uploadRoutes } from './uploads.ts'
import { userRoutes } from './users.ts'

export const routes = [
  ...loginRoutes,
  ...poolRoutes,
  ...placementRoutes,
  // Before `actions/{name}`, which would take its path.
  ...migrationRoutes,
  ...desktopRoutes,
  ...taskRoutes,
  ...eventRoutes,
  ...templateRoutes,
  ...copyRoutes,
  ...uploadRoutes,
  ...siteRoutes,
  ...clusterRoutes,
  ...balanceRoutes,
  ...maintenanceRoutes,
  ...fencingRoutes,
  ...hostRoutes,
  ...hostHistoryRoutes,
  ...bootQueueRoutes,
  ...userRoutes,
  ...groupRoutes,
  ...tokenRoutes,
  ...auditRoutes,
]
