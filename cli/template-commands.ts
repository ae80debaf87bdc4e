/** `hdcs templates …`. */
import type { Command } from 'commander'
import { answerOptions } from './answer-options.ts'
import { templateAnswers } from './answers.ts'
import type { Context } from './context.ts'
import { hardwareOptions } from './hardware-options.ts'
import { templateExport, templateImport } from './template-files.ts'
import { templateSend } from './template-send.ts'
import {
  templateBuild,
  templateHardware,
  templateList,
  templateNote,
  templateRemove,
  templateTake,
} from './templates.ts'

type With = <A extends unknown[]>(
  run: (context: Context, ...args: A) => Promise<void>,
) => (...args: unknown[]) => Promise<void>

export function templateCommands(top: Command, with_: With): void {
  const templates = top.command('templates').description('templates and their versions').action(with_(templateList))
  templates
    .command('build <name>')
    .description('build one on the server: tiny, desktop, or an empty disk to install a system on')
    .option('--recipe <recipe>', 'tiny or desktop; default: the name')
    .option('--blank', 'an empty disk')
    .option('--disk <gib>', 'how large the disks of its desktops are; an empty disk: 20')
    .option('--description <text>')
    .action(with_(templateBuild))
  hardwareOptions(templates.command('hardware <name>'))
    .description('change the hardware that its desktops get when they are made')
    .action(with_(templateHardware))
  hardwareOptions(templates.command('import <name> [file]'))
    .description(
      'upload an exported template, an appliance (.ova), a disk or installation image; with a file alone, the name it bears',
    )
    .option('--format <format>', 'hdcs, ova, qcow2, raw, vmdk, vdi, vpc, vhdx, iso; default: what the file says')
    .option('--description <text>')
    .action(with_(templateImport))
  templates
    .command('export <name> <version> <file>')
    .description('save a version as a file; said again after a cut, it goes on where it broke off')
    .option(
      '--format <format>',
      'hdcs (with name, notes and hardware), ova, qcow2, raw, vmdk; default: by the file’s name',
    )
    .action(with_(templateExport))
  templates
    .command('take <name> <desktop>')
    .description('make one of a stopped desktop’s disk; a template of that name gets a new version')
    .option('--no-seal', 'keep what makes it this machine: for systems that were generalised inside')
    .option('--description <text>')
    .action(with_(templateTake))
  answerOptions(templates.command('answers <name>'))
    .description('what Windows Setup is answered in guests of pools that follow it; without options: shows it')
    .action(with_(templateAnswers))
  templates
    .command('send <name> <version> <cluster>')
    .description('copy a version to another cluster; said again, it goes on where it broke off')
    .option('--limit <rate>', 'at most so many MiB a second')
    .option('--dry-run', 'only say where it would lie, whether there is room, and how long it takes')
    .action(with_(templateSend))
  templates
    .command('note <name> <version> [text]')
    .description('show the notes of a version, or change them; "" takes them away')
    .action(with_(templateNote))
  templates
    .command('remove <name> [version]')
    .description('remove a version, or all of a template, from every host; refused while it is used')
    .option('--yes', 'do not ask')
    .action(with_(templateRemove))
}
