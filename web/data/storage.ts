/** Storage pools and volumes, as pages read them. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Answer } from '../../api/client.ts'
import { client } from './client.ts'

export type StoragePool = Answer<'storagePoolGet'>
export type Volume = Answer<'volumeGet'>
export type RootStorage = Answer<'clusterStorages'>['items'][number]

export const clusterStoragesQuery = (id: string) =>
  queryOptions({
    queryKey: ['host', 'storages', id],
    queryFn: () => client.clusterStorages({ params: { id } }),
    placeholderData: keepPreviousData,
  })
export const storagePoolsQuery = (query: { clusterId?: string } = {}) =>
  queryOptions({
    queryKey: ['storagePool', 'list', query],
    queryFn: () => client.storagePoolList({ query: { ...query, limit: 500 } }),
    placeholderData: keepPreviousData,
  })
export const volumesQuery = (query: { poolId?: string; desktopId?: string } = {}) =>
  queryOptions({
    queryKey: ['volume', 'list', query],
    queryFn: () => client.volumeList({ query: { ...query, limit: 500 } }),
    placeholderData: keepPreviousData,
  })
