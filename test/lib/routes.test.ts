import { describe, expect, it } from 'vitest'
import { bridgeOf, networksInTheWay, networksOf, ownNetworks } from '../../lib/routes.ts'

const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
virbr1	0004800A	00000000	0001	0	0	0	00FCFFFF	0	0	0
eth0	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth0	FEA9FEA9	00000000	0005	0	0	0	FFFFFFFF	0	0	0
hdcs-0000000a	0000800A	00000000	0001	0	0	0	0000FCFF	0	0	0
`

describe('the networks a machine is in', () => {
  it('are read from the routes, those of idle bridges too, the default way aside', () => {
    expect(networksOf(table).networks).toEqual(['10.128.4.0/22', '192.168.0.0/24', '169.254.169.254/32'])
  })

  it('are no hindrance to the desktops whose bridge they are on, but to those of another installation', () => {
    const [ours, another] = ['11111111-2222-7333-8444-55550000000a', '11111111-2222-7333-8444-55550000000b']
    expect(networksOf(table).bridges).toEqual([{ name: bridgeOf(ours), network: '10.128.0.0/14' }])
    expect(networksInTheWay(networksOf(table), ours)).not.toContain('10.128.0.0/14')
    expect(networksInTheWay(networksOf(table), another)).toContain('10.128.0.0/14')
  })

  it('are real networks here', () => {
    for (const network of ownNetworks().networks) expect(network).toMatch(/^\d+\.\d+\.\d+\.\d+\/\d+$/)
  })
})
