import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { builtIn, domainScripts } from '../../broker/setup-scripts.ts'
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { guestAnswer } from '../../vmm/guest-answer.ts'
import { shProgram } from '../../vmm/guest-sh.ts'
import type { GuestScript } from '../../vmm/host.ts'
import { makeSimHost } from '../../vmm/sim-host.ts'
import { testFolder } from '../support/folder.ts'
import { makeControl } from '../vmm/control.ts'
import { hostSpec, installationId, machineSpec } from '../vmm/wishes.ts'

/** A guest whose scripts really run, in a shell of this machine, with a `realm` that notes what it is asked. */
async function guest(password: string, busy = 0) {
  const folder = testFolder()
  const path = (name: string) => join(folder, name)
  writeFileSync(path('busy'), 'x'.repeat(busy))
  const realm = `#!/bin/sh
cd ${folder}
echo "$*" >>asked
case $1 in
  list) [ ! -e joined ] || cat joined ;;
  join)
    read -r password
    [ "$password" = 'Rich tig"$' ] || { echo "realm: Couldn't join: Invalid credentials" >&2; exit 1; }
    [ ! -s busy ] || { : >busy; echo "realm: Couldn't connect: busy" >&2; exit 1; }
    for last; do :; done
    echo "$last" >joined
    echo "it is in $last, with $password" ;;
esac
`
  writeFileSync(path('realm'), realm, { mode: 0o755 })
  const env = { PATH: `${folder}:${process.env.PATH}` }
  const host = makeSimHost({ installationId, hostName: 'sim' })
  host.guestScript = async (_id: string, script: GuestScript) => {
    const { stdout, stderr } = spawnSync('sh', ['-s'], { input: shProgram(script, path('setup')), env })
    return guestAnswer(stdout, stderr.toString())
  }
  const control = makeControl()
  const agent = await startAgent({ host, connect: control.connect, log: makeLog('test', 'silent') })
  const asked = () => readFileSync(path('asked'), 'utf8').trimEnd().split('\n')
  return {
    asked,
    joined: () => existsSync(path('joined')),
    async joins(life: number) {
      const step = { ...builtIn, id: `domain-${life}`, name: 'domain' as const, shell: 'sh' as const }
      const environment = {
        HDCS_DOMAIN: 'corp.example',
        HDCS_DOMAIN_USER: 'joiner',
        HDCS_DOMAIN_OU: 'OU=Room 1, DC=corp',
      }
      const steps = [{ ...step, text: domainScripts.sh, input: `${password}\n`, environment }]
      const spec = machineSpec(1, { generation: life, setup: { key: `${life}`, steps } })
      control.tell({ type: 'wish', spec: hostSpec([spec]) })
      return control.machine(spec.id, ({ setup }) => setup?.key === `${life}` && setup.state !== 'running')
    },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
    },
  }
}
const right = 'Rich tig"$'

it('joins a domain with its account, place and password, once; asked again, it finds it joined', async () => {
  await using here = await guest(right)
  const { setup } = await here.joins(1)
  expect(setup).toMatchObject({
    state: 'done',
    runs: [{ exitCode: 0, output: 'it is in corp.example, with ••••••\n' }],
  })
  const join = 'join --verbose --user=joiner --computer-ou=OU=Room 1, DC=corp corp.example'
  expect(here.asked()).toEqual(['list --name-only', join])
  expect((await here.joins(2)).setup).toMatchObject({
    state: 'done',
    runs: [{ output: 'it is in corp.example already\n' }],
  })
  expect(here.asked().filter(words => words.startsWith('join'))).toEqual([join])
})

it('tries a domain again that was busy', async () => {
  await using here = await guest(right, 1)
  const { setup } = await here.joins(1)
  expect(setup?.runs.map(({ exitCode }) => exitCode)).toEqual([1, 0])
  expect(here.joined()).toBe(true)
})

it('sets a desktop aside whose account may not join, with the domain’s words and without the password', async () => {
  await using here = await guest('wrong-Geh31m')
  const { setup, trouble } = await here.joins(1)
  expect(setup).toMatchObject({ state: 'failed' })
  expect(setup?.runs).toHaveLength(builtIn.retries + 1)
  expect(trouble).toMatchObject({ code: 'setup_failed', text: expect.stringContaining('Invalid credentials') })
  expect(JSON.stringify(setup)).not.toContain('Geh31m')
  expect(here.joined()).toBe(false)
})
