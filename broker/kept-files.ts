/** Files that the control plane keeps for a while, each named by the id of what it belongs to. */
import { readdir } from 'node:fs/promises'

/** Ids of which the whole file is in a folder; names of unfinished ones (api/uploads.ts) are longer. */
export async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] // nothing ever came
    throw error
  })
  return names.filter(name => /^[0-9a-f-]{36}$/.test(name))
}
