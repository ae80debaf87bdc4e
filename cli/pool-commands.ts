/** What an administrator says of pools: `hdcs push`, `hdcs verify`, `hdcs pools …`. */
import type { Command } from 'commander'
import { answerOptions } from './answer-options.ts'
import { poolAnswers } from './answers.ts'
import type { Context } from './context.ts'
import { hardwareOptions } from './hardware-options.ts'
import { type EntitleOptions, poolEntitle, poolSet } from './pool-settings.ts'
import { poolMake, poolRemove, poolResize } from './pools.ts'
import { push } from './pushes.ts'
import { poolVerify } from './verify.ts'

/** An option that may be said several times. */
export const gathered = (text: string, before: string[] = []) => [...before, text]

type With = <A extends unknown[]>(
  run: (context: Context, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

/** @param pools `hdcs pools`, which lists them. */
export function poolCommands(top: Command, pools: Command, with_: With): void {
  const sized = (command: Command) =>
    command
      .option('--min <count>', 'made even when nobody asks')
      .option('--max <count>', 'never more than this')
      .option('--warm <count>', 'running and free, for whoever asks next')
      .option('--cold <count>', 'made but switched off, besides')
  hardwareOptions(sized(pools.command('make <name> <template>')))
    .description('make a pool of desktops (administrators)')
    .option('--persistent', 'each person keeps theirs; default: fresh each time')
    .option('--version <number>', 'default: always the newest')
    .option('--description <text>')
    .option('--everyone', 'everyone may use it')
    .action(with_(poolMake))
  sized(pools.command('resize <pool>'))
    .description('say what is made and removed for it; what people have stays')
    .option('--dry-run', 'only say so')
    .action(with_(poolResize))
  answerOptions(pools.command('answers <pool>'))
    .description('what Windows Setup is answered in its guests; without options: shows it')
    .option('--template', 'as its template says, also when that changes')
    .action(with_(poolAnswers))
  pools
    .command('set <pool> <settings...>')
    .description(
      'change a pool: key=value, as in maxSize=20 hardware.vcpus=4 placement=null; says first what that does',
    )
    .option('--dry-run', 'only say so')
    .option('--yes', 'without asking, where desktops are removed or made anew')
    .action(with_(poolSet))
  for (const [command, may, text] of [
    ['entitle', true, 'let people use a pool; who may already stays'],
    ['unentitle', false, 'take a pool from people; the others keep it'],
  ] as const)
    pools
      .command(`${command} <pool>`)
      .description(text)
      .option('--for <person>', 'again for one more', gathered)
      .option('--group <group>', 'again for one more', gathered)
      .option('--everyone', 'everyone with an account')
      .action(with_((context, pool: string, options: EntitleOptions) => poolEntitle(context, pool, options, may)))
  pools
    .command('remove <pool>')
    .description('say who loses what, ask, and remove it with its desktops')
    .option('--yes', 'do not ask')
    .action(with_(poolRemove))

  top
    .command('push <pool> [version]')
    .description('bring a pool to another template version; back, cancel: the last one; nothing: how they went')
    .option('--at <time>', '18:00, +2h, or a date and a time; default: now')
    .option('--notice <minutes>', 'tell people who have an older one, and give it back after so long')
    .option('--notes <text>')
    .option('--dry-run', 'only say what would happen to whom')
    .action(with_(push))
  top
    .command('verify <pool>')
    .description('see that every desktop of a pool is up and has its address')
    .option('--batch <count>', 'so many at the same time; default: 10')
    .option('--all', 'also name those that work')
    .action(with_(poolVerify))
}
