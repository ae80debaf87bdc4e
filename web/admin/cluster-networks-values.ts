/** Where a cluster has networks, as its form holds it, and back. Pure: the words stand in the message files. */
import type { Cluster } from '../data/nouns.ts'

export type ClusterNetwork = Cluster['networks'][number]
export interface NetworkLine {
  name: string
  interface: string
  /** Empty: as the pool says; 0: none. */
  vlan: number | string
}

export const linesOf = (networks: readonly ClusterNetwork[]): NetworkLine[] =>
  networks.map(({ name, interface: here, vlan }) => ({ name, interface: here, vlan: vlan === null ? 0 : (vlan ?? '') }))

export const networksOf = (lines: readonly NetworkLine[]): ClusterNetwork[] =>
  lines.map(({ name, interface: here, vlan }) => ({
    name: name.trim(),
    interface: here.trim(),
    ...(vlan !== '' && { vlan: Number(vlan) === 0 ? null : Number(vlan) }),
  }))

const interfaceForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/

type Wrong = Partial<Record<keyof NetworkLine, 'nameBad' | 'nameTwice' | 'vlanBad'>>

/** What is wrong with each line: field → message key. */
export const wrongInLines = (lines: readonly NetworkLine[]): Wrong[] =>
  lines.map((line, at) => {
    const name = line.name.trim()
    const vlan = Number(line.vlan)
    const twice = lines.findIndex(other => other.name.trim() === name) < at
    const badName = !interfaceForm.test(name) ? 'nameBad' : twice ? 'nameTwice' : undefined
    return {
      ...(badName && { name: badName }),
      ...(!interfaceForm.test(line.interface.trim()) && { interface: 'nameBad' as const }),
      ...(!(Number.isInteger(vlan) && vlan >= 0 && vlan <= 4094) && { vlan: 'vlanBad' as const }),
    }
  })
