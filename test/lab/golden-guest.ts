/**
 * What a golden machine of the lab is: the tiny guest, in every run; or a whole Debian with its desktop, brought in as a
 * template file, where HDCS_LAB_GUEST=debian asks for it. The steps are the same on both.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { makeClient } from '../../api/client.ts'
import { adminPassword } from '../support/product.ts'
import type { LabCluster } from './cluster.ts'

const run = promisify(execFile)
const MiB = 2 ** 20
const cache = '/var/tmp/hdcs-test-cache'
const atRoot = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

export interface GoldenGuest {
  /** Builds the disk that is imported; null: the template of the first start. */
  recipe: string | null
  /** Of the template, and what the machine is given later. */
  memoryMib: { first: number; later: number }
  /** What its disk grows to, under it. */
  diskBytes: number
  /** Where people's files are in it. */
  home: string
  /** The bounded storage of one host: its reserve, all versions, and some desktops. */
  storageBytes: number
  /** So slow that a cable is cut on the way. */
  copyBytesPerSecond: number
  /** How much longer than tiny all of it may take. */
  patience: number
}

const guests: Record<string, GoldenGuest> = {
  tiny: {
    recipe: null,
    memoryMib: { first: 96, later: 128 },
    diskBytes: 1_024 * MiB,
    home: '/data',
    storageBytes: 1_800 * MiB,
    copyBytesPerSecond: 8 * MiB,
    patience: 1,
  },
  debian: {
    recipe: 'images/build-desktop.sh',
    memoryMib: { first: 768, later: 1_024 },
    diskBytes: 5_120 * MiB,
    home: '/srv',
    storageBytes: 6_144 * MiB,
    copyBytesPerSecond: 24 * MiB,
    patience: 6,
  },
}

export function goldenGuest(): GoldenGuest {
  const asked = process.env.HDCS_LAB_GUEST ?? 'tiny'
  const guest = guests[asked]
  if (!guest) throw new Error(`HDCS_LAB_GUEST is ${Object.keys(guests).join(' or ')}, not ${asked}.`)
  return guest
}

/** Built where the cache has it not yet, and brought in as an administrator would. @returns the template's id. */
export async function goldenTemplate({ lab, product, admin }: LabCluster, guest: GoldenGuest): Promise<string> {
  const [demo] = (await admin.poolList({ query: { name: 'demo' } })).items
  if (guest.recipe === null) return demo?.templateId ?? ''
  const file = join(lab.folder, 'golden.qcow2')
  const buildEnv = { ...process.env, HDCS_CACHE: cache, HDCS_NODE: process.execPath }
  await run('bash', [atRoot(guest.recipe), file], { env: buildEnv, maxBuffer: 64 * MiB })
  const { token } = await makeClient({ baseUrl: product.url }).login({
    body: { name: 'admin', password: adminPassword },
  })
  const env = { ...process.env, HDCS_URL: product.url, HDCS_TOKEN: token }
  const hardware = ['--vcpus', '1', '--memory', `${guest.memoryMib.first}`, '--sound', 'off']
  await run(process.execPath, [atRoot('bin/hdcs.ts'), 'templates', 'import', 'golden', file, ...hardware], { env })
  return (await admin.templateList({ query: { name: 'golden' } })).items[0]?.id ?? ''
}
