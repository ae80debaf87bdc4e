import { useNavigate } from '@tanstack/react-router'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'

/** Gets a desktop of a pool and goes where it is: to its screen when it is ready, else to where one waits for it. */
export function useClaim() {
  const navigate = useNavigate()
  return useWrite(
    async (poolId: string) => {
      const { desktop, task } = await client.poolClaim({ params: { id: poolId } })
      const at = { params: { desktopId: desktop.id } }
      if (desktop.phase === 'ready' && task.state === 'succeeded') await navigate({ to: '/desktop/$desktopId', ...at })
      else await navigate({ to: '/ready/$desktopId', ...at, search: { task: task.id, pool: poolId } })
    },
    ['desktop', 'pool'],
  )
}

/** Switches a desktop of mine on and waits for it. */
export function useStart() {
  const navigate = useNavigate()
  return useWrite(
    async ({ id, poolId, how }: { id: string; poolId: string; how: 'start' | 'resume' }) => {
      const { task } = await client.desktopAct({ params: { id, name: how } })
      await navigate({ to: '/ready/$desktopId', params: { desktopId: id }, search: { task: task.id, pool: poolId } })
    },
    ['desktop', 'pool'],
  )
}
