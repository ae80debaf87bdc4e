/**
 * Who may do what: one table. The user administrator rules people and rights and cannot touch machines; the
 * infrastructure administrator the reverse; instructors their own classes (a later room); auditors read.
 */
export const roles = ['userAdministrator', 'infrastructureAdministrator', 'instructor', 'auditor', 'person'] as const
export type Role = (typeof roles)[number]

export const permissions = [
  'self', // whatever concerns only the signed-in person
  'desktop.use', // claim from entitled pools, open and give back own desktops
  'desktop.read',
  'desktop.write',
  'pool.read',
  'pool.write',
  'template.read',
  'template.write',
  'host.read',
  'host.write',
  'task.read',
  'user.read',
  'user.write',
  'entitlement.write',
  'audit.read',
] as const
export type Permission = (typeof permissions)[number]

const everybody = ['self', 'desktop.use'] as const satisfies Permission[]
const machinesRead = [
  'desktop.read',
  'pool.read',
  'template.read',
  'host.read',
  'task.read',
] as const satisfies Permission[]

export const policy = {
  userAdministrator: [...everybody, 'user.read', 'user.write', 'entitlement.write', 'pool.read', 'audit.read'],
  infrastructureAdministrator: [
    ...everybody,
    ...machinesRead,
    'desktop.write',
    'pool.write',
    'template.write',
    'host.write',
    'user.read',
  ],
  instructor: [...everybody],
  auditor: [...everybody, ...machinesRead, 'user.read', 'audit.read'],
  person: [...everybody],
} satisfies Record<Role, Permission[]>

export function permissionsOf(held: readonly Role[]): ReadonlySet<Permission> {
  return new Set(held.flatMap((role): Permission[] => policy[role]))
}
