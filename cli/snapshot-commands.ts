/** What an administrator says of snapshots: `hdcs snapshots …`. */
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { snapshotList, snapshotRemove, snapshotRevert, snapshotTake } from './snapshots.ts'

type With = <A extends unknown[]>(
  run: (context: Context, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

export function snapshotCommands(top: Command, with_: With): void {
  const snapshots = top.command('snapshots').description('snapshots of persistent desktops (administrators)')
  snapshots.command('list <desktop>').description('which there are').action(with_(snapshotList))
  snapshots
    .command('take <desktop> <name>')
    .description('keep its disk as it is now')
    .option('--note <text>')
    .action(with_(snapshotTake))
  snapshots
    .command('remove <desktop> <name>')
    .description('forget one')
    .option('--yes', 'without asking')
    .action(with_(snapshotRemove))
  snapshots
    .command('revert <desktop> <name>')
    .description('a stopped desktop’s disk becomes as it was then')
    .option('--yes', 'without asking')
    .action(with_(snapshotRevert))
}
