/** Control groups of a lab (version 1; with version 2 alone its guests run without). */
import { existsSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

const root = '/sys/fs/cgroup'
const wanted = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids']

/** The controllers that hosts get a group of their own in. */
export const controllers = () => wanted.filter(controller => existsSync(join(root, controller, 'tasks')))

/** Removes a group with those in it, in every controller: groups outlive their processes. @returns whether all went. */
export const groupsRemove = (group: string) =>
  controllers()
    .map(controller => removeDeep(join(root, controller, group)))
    .every(gone => gone)

function removeDeep(folder: string): boolean {
  if (!existsSync(folder)) return true
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeDeep(join(folder, entry.name))
  try {
    rmdirSync(folder)
    return true
  } catch {
    return false // a process of it is still on its way out
  }
}

/** The controllers that still keep a group of this name. */
export const groupsLeft = (group: string) =>
  controllers().filter(controller => existsSync(join(root, controller, group)))
