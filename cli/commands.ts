/** The commands of `hdcs`, as one list: what each is called, what it takes, which function answers. */
import { Command, CommanderError } from 'commander'
import { ApiError, type Client, makeClient } from '../api/client.ts'
import { HdcsError } from '../lib/errors.ts'
import { accountForget, accountRead, accountSave, serverUrl } from './account.ts'
import { clusterBalance } from './balance.ts'
import { type CallInput, documentRead, inputOf, namesFound, operationsOf, operationTable, usage } from './call.ts'
import { clusterNetwork } from './cluster-networks.ts'
import { consoleCommands } from './console-commands.ts'
import { answer, type Context, type Terminal } from './context.ts'
import { act, claim, connect, desktopList, poolList } from './desktops.ts'
import { dongleBind, dongleList, dongleUnbind } from './dongles.ts'
import { exitCodeOf, exitCodes, nextSteps } from './exit.ts'
import { follow, TaskEnded } from './follow.ts'
import { hardwareOptions } from './hardware-options.ts'
import { hostHistory } from './host-history.ts'
import { clusterImages, clusterList, hostJoin, hostList } from './hosts.ts'
import { desktopHardware, desktopMake } from './machines.ts'
import { hostFence, hostMaintenance } from './maintenance.ts'
import { actMany, binList, desktopClone, desktopDisc, desktopRename } from './making.ts'
import type { Task } from './nouns.ts'
import { desktopMove, desktopWhy, poolPlace } from './placements.ts'
import { gathered, poolCommands } from './pool-commands.ts'
import { ask, askPassword, type SureOptions } from './prompt.ts'
import { snapshotCommands } from './snapshot-commands.ts'
import { storageCommands } from './storage.ts'
import { taskCommands } from './task-commands.ts'
import { templateCommands } from './template-commands.ts'
import { userAdd, userList, userNewPassword, userRemove, userSetDisabled } from './users.ts'
import { xmlShow } from './xml.ts'

/** What `bin/hdcs.ts` brings from the machine; tests bring their own. */
export interface Surroundings {
  env: Record<string, string | undefined>
  terminal: Terminal
  print(text: string): void
  now(): Date
  signal: AbortSignal
}

const notes = `
Names may stand instead of ids. Exit codes: 0 done, 1 failed, 2 wrong use, 3 not signed in, 4 not allowed, 5 not found,
6 refused now (full, in use, limit), 7 server not reachable, 8 the task failed, 130 interrupted.
Instead of hdcs login, programs set HDCS_URL and HDCS_TOKEN (a token: hdcs call tokenCreate name=…).`

/** Runs one command line (without the program's name). Returns the exit code; says errors itself. */
export async function hdcs(words: readonly string[], around: Surroundings): Promise<number> {
  try {
    await program(around).parseAsync([...words], { from: 'user' })
    return exitCodes.done
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage
    const { code, message } = problemOf(thrown)
    if (around.signal.aborted) {
      if (code === 'cancelled') around.terminal.note(`hdcs: ${message}\n`)
      return exitCodes.interrupted
    }
    const next = nextSteps[code]
    around.terminal.note(`hdcs: ${message}\n${next ? `      ${next}\n` : ''}`)
    return thrown instanceof TaskEnded ? exitCodes.taskFailed : exitCodeOf(code)
  }
}

function problemOf(thrown: unknown): { code: string; message: string } {
  if (thrown instanceof ApiError) {
    const fields = thrown.errors.slice(1).map(({ field, message }) => `\n      ${field}: ${message}`)
    return { code: thrown.code, message: `${thrown.detail}${fields.join('')}` }
  }
  if (thrown instanceof HdcsError) return { code: thrown.code, message: thrown.message }
  return { code: 'internal', message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }
}

function program(around: Surroundings): Command {
  const top = new Command('hdcs')
    .description('Desktops from the command line: what the pages do, and every operation of the API.')
    .option('--json', 'print answers as the API gave them')
    .option('--no-wait', 'do not wait for tasks to end')
    .addHelpText('after', notes)
    .showHelpAfterError('(hdcs --help shows what there is)')
    .exitOverride()
    .configureOutput({ writeOut: text => around.print(text.trimEnd()), writeErr: around.terminal.note })

  /** Gives a command the context it answers with. */
  const with_ =
    <A extends unknown[]>(run: (context: Context, ...args: A) => Promise<void>) =>
    (...args: unknown[]) =>
      run(contextOf(around, top.opts()), ...(args as A))

  top
    .command('login [url]')
    .description('sign in; the server is remembered')
    .option('--name <name>', 'instead of being asked')
    .action((url?: string, options?: { name?: string }) => login(around, url, options?.name))
  top
    .command('logout')
    .description('sign out and forget the token')
    .action(
      with_(async context => {
        await context.client.logout()
        accountForget(around.env)
      }),
    )
  top
    .command('whoami')
    .description('who you are here')
    .action(
      with_(async context => {
        const me = await context.client.meGet()
        answer(context, me, () => `${me.name} (${me.roles.join(', ')}) at ${context.url}`)
      }),
    )

  const pools = top.command('pools').description('pools you may use').action(with_(poolList))
  pools
    .command('place <pool>')
    .description('where its next desktops would go, and why; changes nothing')
    .option('--count <count>', 'of so many; default: 1')
    .option('--prewarm', 'as those that nobody waits for')
    .action(with_(poolPlace))
  poolCommands(top, pools, with_)
  storageCommands(top, with_)
  top.command('claim <pool>').description('get a desktop of a pool').action(with_(claim))
  top
    .command('desktops')
    .description('your desktops')
    .option('--all', 'everybody’s')
    .action(with_((context, options: { all?: boolean }) => desktopList(context, options.all === true)))
  top
    .command('why [desktop]')
    .description('why a desktop is where it is, and why not elsewhere (administrators)')
    .action(with_(desktopWhy))
  top
    .command('connect [desktop]')
    .description('open a desktop in remote-viewer, or save its .vv file')
    .option('--save <file>', 'save the viewer file instead (- prints it)')
    .action(with_(connect))
  top
    .command('release [desktop]')
    .description('give a desktop back')
    .action(with_((context, name?: string) => act(context, 'release', name)))
  top
    .command('move <desktop> [host]')
    .description('to that host, or to the best one, running if it can')
    .option('--dry-run', 'only say where it would go, and why not elsewhere')
    .option('--restart', 'shut it down for it where it cannot move running')
    .action(with_(desktopMove))
  top
    .command('act <action> [desktops...]')
    .description('start, shutdown, poweroff, reboot, reset, suspend, resume, save, release, delete: of one or of many')
    .option('--yes', 'without asking, where something is lost for good')
    .action(with_(actMany))
  for (const [command, action, text] of [
    ['start', 'start', 'start desktops'],
    ['stop', 'shutdown', 'shut desktops down'],
  ] as const)
    top
      .command(`${command} <desktops...>`)
      .description(text)
      .action(with_((context, names: string[]) => actMany(context, action, names)))
  top
    .command('clone <desktop>')
    .description('one more of its pool with a copy of its disk (administrators)')
    .option('--for <person>', 'who it is for; default: yourself')
    .option('--name <name>', 'default: the pool’s next')
    .option('--full', 'with what is under it: it stands on no image')
    .action(with_(desktopClone))
  top
    .command('rename <desktop> <name>')
    .description('give a stopped desktop another name (administrators)')
    .action(with_(desktopRename))
  top
    .command('disc <desktop> [template]')
    .description('put an imported ISO file into its drive, or take out what is there (administrators)')
    .option('--boot', 'start from it, before the disk, from the next start on until it is taken out')
    .action(with_(desktopDisc))
  const bin = top.command('bin').description('deleted desktops that can be restored').action(with_(binList))
  bin
    .command('restore <desktop>')
    .description('give it back to its owner')
    .action(with_((context, name: string) => act(context, 'restore', name)))
  bin
    .command('remove <desktop>')
    .description('remove it for good, with all that is on its disk')
    .option('--yes', 'without asking')
    .action(with_((context, name: string, options: SureOptions) => act(context, 'purge', name, options)))

  hardwareOptions(top.command('hardware <desktop>'))
    .description('change the hardware of one desktop (administrators)')
    .option('--dry-run', 'only say what applies at once, and what at its next start')
    .action(with_(desktopHardware))
  hardwareOptions(top.command('make <pool>'))
    .description('make one desktop of a persistent pool by hand, or one for each of several people (administrators)')
    .option('--for <person>', 'who it is for; again for one more; default: yourself', gathered)
    .option('--people <file>', 'for everybody in this file: a name per line')
    .option('--name <name>', 'default: the pool’s next')
    .option('--cdrom <template>', 'a template of an ISO file in its drive: NAME or NAME/VERSION')
    .option('--dry-run', 'only say what speaks for it and against it')
    .action(with_(desktopMake))

  top
    .command('xml <name>')
    .description('what libvirt says of a desktop in this moment (administrators)')
    .option('--host', 'of a host: what it can do')
    .action(with_(xmlShow))

  snapshotCommands(top, with_)
  consoleCommands(top, with_)

  templateCommands(top, with_)

  const clusters = top
    .command('clusters')
    .description('resource pools: what is taken of what there is')
    .action(with_(clusterList))
  clusters
    .command('balance <cluster>')
    .description('what balancing would do now; it is done by rule where it is on')
    .option('--rebalance <on|off>', 'move desktops away from busy hosts')
    .option('--consolidate <on|off>', 'empty idle hosts and switch them off')
    .action(with_(clusterBalance))
  clusters
    .command('network <cluster> [network] [interface]')
    .description('where its hosts have a network that pools name; without a network: all that are said')
    .option('--vlan <vlan>', 'in place of the pool’s: 1 to 4094, or none')
    .option('--remove', 'say nothing of it any more: it is looked for under its own name')
    .action(with_(clusterNetwork))
  clusters
    .command('images <cluster>')
    .description('how fast its hosts may fetch template images')
    .option(
      '--limit <mib>',
      'each of them at most so many MiB a second, from its next fetch on; none: as fast as it goes',
    )
    .action(with_(clusterImages))
  const hosts = top.command('hosts').description('hosts, by site and cluster').action(with_(hostList))
  hosts.command('join [cluster]').description('the line that lets a new host join').action(with_(hostJoin))
  hosts
    .command('maintenance <host> <on|off>')
    .description('empty a host by a plan, or use it again and fetch what left')
    .option('--dry-run', 'only show the plan')
    .option('--stay', 'desktops stay where they are')
    .action(with_(hostMaintenance))
  hosts
    .command('fence <host>')
    .description('make sure that a lost host is off, by its cluster’s fence command')
    .option('--off', 'instead: you looked, and it is off for certain')
    .option('--yes', 'do not ask')
    .action(with_(hostFence))
  hosts
    .command('history <host>')
    .description('what it went through and what was done about it')
    .action(with_(hostHistory))

  const dongles = top
    .command('dongles [host]')
    .description('USB devices that are bound to desktops; of a host: all that are plugged in')
    .action(with_(dongleList))
  dongles
    .command('bind <desktop> <device>')
    .description('give it a device VENDOR:PRODUCT[:SERIAL] of its host; it stays there then')
    .option('--port <port>', 'where several of its kind are plugged in')
    .action(with_(dongleBind))
  dongles.command('unbind <desktop> <device>').description('take it out again, at once').action(with_(dongleUnbind))

  const users = top.command('users').description('people').action(with_(userList))
  users
    .command('add <name>')
    .description('add a person')
    .option('--display-name <text>')
    .option('--email <address>')
    .option('--role <role...>', 'person, instructor, auditor, userAdministrator, infrastructureAdministrator')
    .option('--password <password>', 'default: one is made up and shown')
    .action(with_(userAdd))
  users
    .command('password <name> [password]')
    .description('set or make up a new password')
    .action(with_(userNewPassword))
  users
    .command('disable <name>')
    .description('no more sign-in; open sessions end')
    .action(with_((context, name: string) => userSetDisabled(context, name, true)))
  users
    .command('enable <name>')
    .description('sign-in again')
    .action(with_((context, name: string) => userSetDisabled(context, name, false)))
  users
    .command('remove <name>')
    .description('remove a person')
    .option('--force', 'also when they have desktops, which are given back')
    .action(
      with_((context, name: string, options: { force?: boolean }) => userRemove(context, name, options.force === true)),
    )
  taskCommands(top, with_)
  top
    .command('call [operation] [words...]')
    .description('any operation of the API: key=value, key:=JSON; without a name: all there are')
    .action((name?: string, words?: string[]) => call(around, top.opts(), name, words ?? []))
  return top
}

interface TopOptions {
  json?: boolean
  wait?: boolean
}

function contextOf(around: Surroundings, { json = false, wait = true }: TopOptions): Context {
  const { url, token } = accountRead(around.env)
  return { ...around, client: clientOf(around, url, token), url, token, json, wait }
}

async function login(around: Surroundings, to: string | undefined, givenName: string | undefined): Promise<void> {
  const url = serverUrl(to ?? around.env.HDCS_URL ?? '127.0.0.1:8080')
  const name = givenName ?? (await ask('Name: '))
  const password = await askPassword('Password: ')
  const { token, user } = await clientOf(around, url, undefined).login({ body: { name, password } })
  accountSave(around.env, { url, token, userName: user.name })
  around.print(`signed in at ${url} as ${user.name}`)
}

async function call(
  around: Surroundings,
  options: TopOptions,
  name: string | undefined,
  words: string[],
): Promise<void> {
  const operations = operationsOf(documentRead())
  if (name === undefined) return around.print(operationTable(operations, around.terminal.width))
  const operation = operations.find(({ id }) => id === name)
  if (!operation) {
    const near = operations.filter(({ id }) => id.toLowerCase().includes(name.toLowerCase())).map(usage)
    throw new HdcsError(
      'invalid',
      [`There is no operation ${name}.`, ...near, 'All of them: hdcs call'].join('\n      '),
    )
  }
  const context = contextOf(around, options)
  const input = inputOf(operation, words)
  if (operation.id === 'eventStream') return events(context, input.query)
  if (operation.streams) throw new HdcsError('invalid', 'This one takes a file: hdcs templates import NAME FILE')
  // The document and the client come from the same routes: every operation of the one is a function of the other.
  const run = (id: string, ask: CallInput) =>
    (context.client[id as keyof Client] as unknown as (ask: CallInput) => Promise<unknown>)(ask)
  await namesFound(operations, operation, input, (id, query) => run(id, { params: {}, query, body: undefined }))
  const body = await run(operation.id, input)
  const task = (body as { task?: Task } | undefined)?.task
  if (task) await follow(context, task)
  if (body !== undefined) around.print(typeof body === 'string' ? body : JSON.stringify(body, null, 2))
}

/** One line of JSON for each event, until Ctrl-C. */
async function events(context: Context, query: Record<string, string>): Promise<void> {
  const filter = { ...(query.noun !== undefined && { nouns: query.noun.split(',') }), signal: context.signal }
  for await (const event of context.client.events(filter)) context.print(JSON.stringify(event))
}

/** Every request ends with the program's first Ctrl-C. */
function clientOf({ signal }: Surroundings, baseUrl: string, token: string | undefined): Client {
  return makeClient({
    baseUrl,
    ...(token !== undefined && { token }),
    fetch: (input, init) => fetch(input, { ...init, signal: init?.signal ?? signal }),
  })
}
