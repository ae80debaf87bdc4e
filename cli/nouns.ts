/** The API's nouns as the CLI reads them: types only, nothing of the API is loaded. */
import type { z } from '@hono/zod-openapi'
import type { clusterSchema } from '../api/clusters.ts'
import type { copyPlanSchema } from '../api/copies.ts'
import type { desktopLogSchema } from '../api/desktop-log.ts'
import type { desktopSchema } from '../api/desktops.ts'
import type { hostSchema } from '../api/hosts.ts'
import type { poolChangesSchema, poolSchema } from '../api/pools.ts'
import type { pushPlanSchema, pushSchema } from '../api/pushes.ts'
import type { snapshotSchema } from '../api/snapshots.ts'
import type { taskPartSchema, taskSchema } from '../api/tasks.ts'
import type { templateSchema } from '../api/templates.ts'
import type { userSchema } from '../api/users.ts'
import type { verifiedSchema } from '../api/verifications.ts'

export type Cluster = z.output<typeof clusterSchema>
export type CopyPlan = z.output<typeof copyPlanSchema>
export type Desktop = z.output<typeof desktopSchema>
export type DesktopLog = z.output<typeof desktopLogSchema>
export type Host = z.output<typeof hostSchema>
export type Pool = z.output<typeof poolSchema>
export type PoolChanges = z.output<typeof poolChangesSchema>
export type Push = z.output<typeof pushSchema>
export type PushPlan = z.output<typeof pushPlanSchema>
export type Snapshot = z.output<typeof snapshotSchema>
export type Task = z.output<typeof taskSchema>
export type TaskPart = z.output<typeof taskPartSchema>
export type Template = z.output<typeof templateSchema>
export type User = z.output<typeof userSchema>
export type Verified = z.output<typeof verifiedSchema>
