import { expect, it } from 'vitest'
import type { GuestScript, GuestScriptState, Host } from '../../vmm/host.ts'

const script = (id: string, text: string, more: Partial<GuestScript> = {}): GuestScript => {
  return { id, shell: 'sh', text, input: '', environment: {}, timeoutSeconds: 60, ...more }
}

/** Asks, as an agent does, until it is over. */
async function over(host: Host, machineId: string, asked: GuestScript): Promise<GuestScriptState> {
  for (;;) {
    const seen = await host.guestScript(machineId, asked)
    if (seen.state !== 'running') return seen
  }
}

/** What every host promises of scripts in a guest whose agent answers. */
export function guestScriptCases(of: () => { host: Host; machineId: string }): void {
  it('runs a script in the guest: its environment, its standard input, its output and its exit code', async () => {
    const { host, machineId } = of()
    const text = 'echo "for $HDCS_USER"\nwc -c\nexit 3'
    const asked = script('said', text, { input: 'secret', environment: { HDCS_USER: "Zoë O'Neil $(id)" } })
    const seen = await over(host, machineId, asked)
    expect(seen).toMatchObject({ state: 'ended', exitCode: 3, output: "for Zoë O'Neil $(id)\n6\n" })
  })

  it('runs it once: asked again, whatever is asked, it answers what came of it', async () => {
    const { host, machineId } = of()
    const first = await over(host, machineId, script('once', 'echo first'))
    expect(first).toMatchObject({ state: 'ended', exitCode: 0, output: 'first\n' })
    expect(await host.guestScript(machineId, script('once', 'echo second'))).toEqual(first)
  })

  it('ends a script that takes too long by force', async () => {
    const { host, machineId } = of()
    const late = await over(host, machineId, script('late', 'echo begun\nsleep 600', { timeoutSeconds: 1 }))
    expect(late).toMatchObject({ state: 'late', exitCode: null, output: 'begun\n' })
  })

  it('refuses a script that no folder may be named after, and one for a machine that is not there', async () => {
    const { host, machineId } = of()
    const out = host.guestScript(machineId, script('../out', 'echo'))
    await expect(out).rejects.toMatchObject({ code: 'invalid' })
    const nobody = host.guestScript(crypto.randomUUID(), script('nobody', 'echo'))
    await expect(nobody).rejects.toMatchObject({ code: 'not_found' })
  })
}
