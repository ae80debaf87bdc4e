/** What an administrator says of one machine's screen and serial port, and of machines that are not ours. */
import type { Command } from 'commander'
import { desktopConsole, desktopScreen } from './console.ts'
import type { Context } from './context.ts'
import { foreignAdopt, foreignList } from './foreign.ts'

type With = <A extends unknown[]>(
  run: (context: Context, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

export function consoleCommands(top: Command, with_: With): void {
  top
    .command('console <desktop>')
    .description('its serial port in this terminal; Ctrl-] leaves (administrators)')
    .action(with_((context, name: string) => desktopConsole(context, name)))
  top
    .command('screen <desktop>')
    .description('the screen of any machine that runs, in remote-viewer or as a .vv file (administrators)')
    .option('--take', 'from whoever looks at it, who is told')
    .option('--save <file>', 'save the viewer file instead (- prints it)')
    .option('--link', 'only print the address of its page')
    .option('--picture <file>', 'only save what it shows now, as PNG')
    .action(with_(desktopScreen))
  top
    .command('foreign [host]')
    .description('machines on hosts that were made without HDCS, and what keeps them from being adopted')
    .action(with_((context, host?: string) => foreignList(context, host)))
  top
    .command('adopt <host> <machine>')
    .description('make such a machine a person’s desktop: its disk is copied, what it was stays')
    .option('--for <person>', 'whose it is; default: yourself')
    .option('--name <name>', 'of the desktop; default: its own, as far as that may be')
    .option('--pool <pool>', 'a persistent one whose template is an empty disk; default: adopted')
    .option('--dry-run', 'only say what would be done, and what speaks against it')
    .action(with_(foreignAdopt))
}
