import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import type { Me, Permission } from './nouns.ts'
import { meQuery } from './queries.ts'

/** Who is signed in. Only below a route that has loaded it. */
export const useMe = (): Me => useSuspenseQuery(meQuery).data

/** Whether a page or button exists for this person. The API decides again. */
export function useMay(): (permission: Permission) => boolean {
  const me = useQuery(meQuery).data
  return permission => me?.permissions.includes(permission) ?? false
}

/** Whoever may read machines or people has a console. */
export const hasConsole = (me: Me): boolean =>
  me.permissions.some(permission => ['desktop.read', 'pool.read', 'user.read', 'audit.read'].includes(permission))
