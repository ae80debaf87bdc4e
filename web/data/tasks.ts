/** Tasks, as pages read them. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Ask } from '../../api/client.ts'
import { client } from './client.ts'
import type { Task } from './nouns.ts'

export type TaskQuery = NonNullable<Ask<'taskList'>['query']>

export const isOpen = ({ state }: Pick<Task, 'state'>): boolean => state === 'queued' || state === 'running'

/** A page of the list: the one before stays until the next has come. */
export const taskPageQuery = (query: TaskQuery) =>
  queryOptions({
    queryKey: ['task', 'list', query],
    queryFn: () => client.taskList({ query }),
    placeholderData: keepPreviousData,
  })
/** Under a noun of its own: not read anew with every change of every task. */
export const taskKindsQuery = queryOptions({ queryKey: ['taskKind'], queryFn: () => client.taskKindList() })
export const taskQuery = (id: string) =>
  queryOptions({ queryKey: ['task', id], queryFn: () => client.taskGet({ params: { id } }) })

export const taskPartsQuery = (id: string) =>
  queryOptions({ queryKey: ['task', id, 'parts'], queryFn: () => client.taskPartList({ params: { id } }) })

/** Lines have no events of their own. Shorter: traffic for who only waits; longer: nobody calls it live. */
const linesEveryMs = 1_000
/** @param live while it runs. */
export const taskLogQuery = (id: string, live: boolean) =>
  queryOptions({
    queryKey: ['task', id, 'log'],
    queryFn: () => client.taskLog({ params: { id } }),
    refetchInterval: live && linesEveryMs,
  })
