/** The networks that pools name, as a cluster has them: what an administrator wrote, checked. Pure. */
import type { ClusterNetworkValue } from '../db/schema-hosts.ts'
import { type FieldError, HdcsError } from '../lib/errors.ts'

/** As bodies come: fields may be there and undefined. */
export interface ClusterNetworkAsked {
  name: string
  interface: string
  vlan?: number | null | undefined
}

/** Linux's limit, a VLAN's dot and number included. */
const longestName = 15

/**
 * The same list, by name, without fields that say nothing.
 * @throws HdcsError `invalid` with every line that is wrong.
 */
export function clusterNetworksChecked(asked: readonly ClusterNetworkAsked[]): ClusterNetworkValue[] {
  const fields = asked.flatMap((line, at) => lineErrors(line, at, asked))
  const [first] = fields
  if (first) throw new HdcsError('invalid', `The cluster’s networks: ${first.message}`, { fields })
  return asked
    .map(({ name, interface: here, vlan }) => ({ name, interface: here, ...(vlan !== undefined && { vlan }) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function lineErrors(line: ClusterNetworkAsked, at: number, all: readonly ClusterNetworkAsked[]): FieldError[] {
  const wrong = (field: string, message: string) => [{ field: `body.networks.${at}.${field}`, message }]
  const full = typeof line.vlan === 'number' ? `${line.interface}.${line.vlan}` : line.interface
  return [
    ...(all.findIndex(({ name }) => name === line.name) < at ? wrong('name', `${line.name} is there twice`) : []),
    ...(full.length > longestName
      ? wrong('interface', `${full} is too long for Linux: ${longestName} letters at most, the VLAN’s included`)
      : []),
  ]
}
