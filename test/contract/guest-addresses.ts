import { expect, it } from 'vitest'
import type { Host } from '../../vmm/host.ts'
import { until } from '../support/site.ts'

/** What every host promises of the addresses of a guest whose agent answers. @param of.address of its card; undefined: it has none. */
export function guestAddressCases(of: () => { host: Host; machineId: string; address: string | undefined }): void {
  it('tells the address that its guest has', async () => {
    const { host, machineId, address } = of()
    // It has it a moment after its agent answers.
    const said = () => host.guestAddresses(machineId)
    await until('its guest has its address', async () => (await said()).length === (address ? 1 : 0))
    expect(await said()).toEqual(address ? [address] : [])
    await expect(host.guestAddresses(crypto.randomUUID())).rejects.toMatchObject({ code: 'not_found' })
  })
}
