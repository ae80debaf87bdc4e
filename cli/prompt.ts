import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { HdcsError } from '../lib/errors.ts'

/** One line from the person. @throws HdcsError `invalid` when nobody can be asked. */
export function ask(question: string): Promise<string> {
  return line(question, process.stderr)
}

export interface SureOptions {
  /** Said with the command: nobody is asked. */
  yes?: boolean
}

/**
 * Before what cannot be undone: the person types what it is about.
 * @param loss what is lost, as a sentence.
 * @throws HdcsError `invalid` when nobody can be asked, `cancelled`.
 */
export async function sure(loss: string, name: string, { yes = false }: SureOptions): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw new HdcsError('invalid', `${loss} Say so with --yes.`)
  if ((await ask(`${loss} Type ${name} to go on: `)) !== name) throw new HdcsError('cancelled', 'Nothing was done.')
}

/** Like `ask`, without showing what is typed; from a pipe: its first line. */
export async function askPassword(question: string): Promise<string> {
  if (!process.stdin.isTTY) return line('', process.stderr)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const typed = line('', silent)
  // After the reader took the terminal over: what is typed before that would be shown.
  process.stderr.write(question)
  return typed.finally(() => process.stderr.write('\n'))
}

function line(question: string, output: Writable): Promise<string> {
  const reader = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY === true })
  return new Promise((resolve, reject) => {
    let answered = false
    reader.question(question, answer => {
      answered = true
      reader.close()
      resolve(answer)
    })
    reader.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    reader.once('close', () => {
      if (!answered)
        reject(new HdcsError('invalid', 'There is nobody to ask: give what is needed with the command (--help).'))
    })
  })
}
