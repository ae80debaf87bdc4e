/** What is said of tasks: `hdcs tasks`, `hdcs task`, `hdcs log`, `hdcs cancel`. */
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { logShow } from './log.ts'
import { taskCancel, taskFollow, taskList } from './tasks.ts'

type With = <A extends unknown[]>(
  run: (context: Context, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

export function taskCommands(top: Command, with_: With): void {
  top
    .command('tasks')
    .description('what takes time: under way and over, newest first; administrators see everybody’s')
    .option('--state <state>', 'open, failed, ended; or queued, running, succeeded, cancelled')
    .option('--kind <kind>', 'as the list names it: desktop.start, pool.push, …')
    .option('--search <text>', 'a part of what it is about, or of who asked')
    .option('--mine', 'only what you asked for')
    .option('--limit <count>', 'so many at most; default: 30')
    .action(with_(taskList))
  top.command('task <id>').description('follow a task to its end; the end of its id will do').action(with_(taskFollow))
  top
    .command('log <task-or-desktop>')
    .description('what happened in a task, or how a desktop was made, with what scripts in its guest wrote')
    .option('--life <number>', 'of a desktop: another life of its disk than the newest')
    .action(with_(logShow))
  top
    .command('cancel <task>')
    .description('call a task off; says what that takes back, and asks where something is lost')
    .option('--yes', 'without asking')
    .action(with_(taskCancel))
}
