import { expect, it } from 'vitest'
import { poolPlace, poolXml } from '../../vmm/storage-pool-xml.ts'
import { poolSpec } from '../contract/host-volumes.ts'

const installation = '01900000-0000-7000-8000-000000000001'
const written = (own: Parameters<typeof poolSpec>[1], target = '/srv/volumes') =>
  poolPlace(poolXml(poolSpec(target, own), installation))
const nfs = (server: string, path: string) => ({ source: { type: 'netfs' as const, server, path } })
const ceph = (monitors: string[], user: string | null = 'u') => ({
  source: { type: 'rbd' as const, monitors, pool: 'p', user },
  target: null,
})

it('knows the place of a storage pool again as libvirt writes it', () => {
  const ofLibvirt = `<pool type="netfs">
  <name>hdcs-x</name>
  <uuid>u</uuid>
  <capacity unit='bytes'>0</capacity>
  <source>
    <host name="nfs.example"/>
    <dir path="/vol/a"/>
    <format type="nfs"/>
  </source>
  <target>
    <path>/srv/volumes</path>
    <permissions><mode>0755</mode></permissions>
  </target>
</pool>`
  expect(poolPlace(ofLibvirt)).toBe(written(nfs('nfs.example', '/vol/a')))
})

it.each([
  ['server', written(nfs('a.example', '/v')), written(nfs('b.example', '/v'))],
  ['export', written(nfs('a.example', '/v')), written(nfs('a.example', '/w'))],
  ['folder', written({}, '/srv/a'), written({}, '/srv/b')],
  ['monitors', written(ceph(['m1'])), written(ceph(['m1', 'm2:6789']))],
  ['user', written(ceph(['m1'])), written(ceph(['m1'], 'v'))],
])('tells another %s from the one before', (_what, one, other) => {
  expect(one).not.toBe(other)
})
