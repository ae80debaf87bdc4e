import type { Permission, Role } from './policy.ts'

/** Who is asking, as every room sees it. */
export interface Principal {
  userId: string
  name: string
  displayName: string
  roles: Role[]
  permissions: ReadonlySet<Permission>
  /** The sign-in or API token behind this request. */
  tokenId: string
}
