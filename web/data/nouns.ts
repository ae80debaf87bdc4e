/** The things of the API as the pages see them: types only, taken from the client's answers. */
import type { Answer, Ask } from '../../api/client.ts'

export type Me = Answer<'meGet'>
export type Permission = Me['permissions'][number]
export type Role = Me['roles'][number]
export type Desktop = Answer<'desktopGet'>
/** Addresses may hold numbers and yes/no as well: an action is a word. */
export type DesktopAction = Extract<Ask<'desktopAct'>['params']['name'], string>
export type Site = Answer<'siteGet'>
export type Cluster = Answer<'clusterGet'>
export type Balance = Cluster['balance']
export type BalancePlan = Answer<'clusterBalance'>
export type Resources = Cluster['resources']
export type Amount = Resources['vcpus']
export type Host = Answer<'hostGet'>
export type MoveChoice = Answer<'desktopMigrate'>['choice']
export type PlannedMove = Answer<'hostEnterMaintenance'>['plan']['desktops'][number]
export type HostRemoval = Answer<'hostRemovalPlan'>
export type Move = Answer<'migrationList'>['items'][number]
export type Dongle = Answer<'dongleList'>['items'][number]
export type UsbDevice = Answer<'usbDeviceList'>['items'][number]
export type Placement = Answer<'placementList'>['items'][number]
export type PlacementDryRun = Answer<'poolPlace'>
export type PlacementHost = Placement['hosts'][number]
export type MakingPlan = Extract<Answer<'desktopMake'>, { plan: unknown }>['plan']
export type Pool = Answer<'poolGet'>
export type PoolChanges = Answer<'poolUpdate'>['changes']
export type PoolRemoval = Answer<'poolRemovalPlan'>
export type Push = Answer<'pushGet'>
export type PushPlan = Extract<Answer<'pushMake'>, { checks: unknown }>
export type Verification = Answer<'verificationGet'>
export type Verified = Answer<'verificationDesktopList'>['items'][number]
export type Entitlements = Answer<'entitlementGet'>
export type Task = Answer<'taskGet'>
export type Template = Answer<'templateGet'>
export type TemplateVersion = Template['versions'][number]
export type VersionCopy = TemplateVersion['copies'][number]
export type VersionExport = TemplateVersion['exports'][number]
export type Action = Desktop['actions'][number]
export type User = Answer<'userGet'>
export type Group = Answer<'groupGet'>
export type AuditEntry = Answer<'auditList'>['items'][number]
export type ForeignMachine = Answer<'foreignMachineList'>['items'][number]
export type HostEvent = Answer<'hostHistory'>['items'][number]
export type HostLoss = Answer<'hostLossList'>['items'][number]
export type Snapshot = Answer<'snapshotList'>['items'][number]
export type Transition = Answer<'desktopHistory'>['items'][number]
