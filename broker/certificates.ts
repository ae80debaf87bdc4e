/** Certificates of hosts: what they show each other when a guest moves, from our own authority (auth/authority.ts). */
import type { Authority, CertificateSubject } from '../auth/authority.ts'
import type { Db } from '../db/connect.ts'
import { type HostName, hostNames } from '../db/hosts.ts'
import { settingAuthority } from '../db/settings.ts'
import { HdcsError } from '../lib/errors.ts'
import type { Broker } from './broker.ts'

/** What an agent asks for. The request (PEM) holds its public key; names in it count for nothing. */
export interface CertificateAsk {
  request: string
  /** What the machine calls itself. */
  hostName: string
  /** Where other hosts reach it. */
  addresses: string[]
}

/**
 * A certificate for a host that has shown its key.
 * @throws HdcsError `unreachable` when this control plane has no authority; `conflict` for an address or a name of
 *   another host, so that none of them can pass for another; `invalid` for a request that is none.
 */
export async function hostCertify(
  broker: Broker,
  authority: Authority | null,
  hostId: string,
  ask: CertificateAsk,
): Promise<{ certificate: string; authority: string }> {
  if (!authority)
    throw new HdcsError('unreachable', 'This control plane makes no certificates; its log says why, from its start.')
  const hosts = await hostNames(broker.db)
  const subject = certificateSubject(hosts, hostId, ask)
  const certificate = await authority.sign(ask.request, subject)
  broker.log.info({ host: hostId, subject }, 'a host got a certificate')
  return { certificate, authority: authority.certificate }
}

/** Names and addresses for a host, none of which is another's. Pure. @throws HdcsError `conflict`, `not_found`. */
export function certificateSubject(
  hosts: readonly HostName[],
  hostId: string,
  ask: Pick<CertificateAsk, 'hostName' | 'addresses'>,
): CertificateSubject {
  const host = hosts.find(({ id }) => id === hostId)
  if (!host) throw new HdcsError('not_found', 'There is no such host any more.')
  const others = hosts.filter(({ id }) => id !== hostId)
  for (const address of ask.addresses) {
    const other = isLoopback(address) ? undefined : others.find(one => one.address === address)
    if (other)
      throw new HdcsError(
        'conflict',
        `The address ${address} is the host ${other.name}’s: give this one its own (HDCS_HOST_ADDRESS).`,
      )
  }
  // A machine's own name may be many a machine's; what hosts are called here is only theirs.
  const free = !others.some(({ name, machineName }) => [name, machineName].includes(ask.hostName))
  const names = [...new Set([host.name, ...(free ? [ask.hostName] : [])])]
  return { names, addresses: [...new Set(ask.addresses)] }
}

/** Simulated hosts all live at it, and nobody reaches another through it. */
const isLoopback = (address: string) => address === '::1' || address.startsWith('127.')

/**
 * Of several control planes all must have the same authority: the first one's is noted in the database.
 * @throws HdcsError `conflict` for one that has another.
 */
export async function authorityCheck(db: Db, { fingerprint }: Authority): Promise<void> {
  if ((await settingAuthority(db, fingerprint)) !== fingerprint)
    throw new HdcsError(
      'conflict',
      'Hosts have certificates of another authority: copy the folder authority/ from the first control plane’s data folder.',
    )
}
