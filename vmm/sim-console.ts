/** A simulated machine's serial port: a small shell that says back what it is told. */
import { HdcsError } from '../lib/errors.ts'
import type { Host, HostConsole } from './host.ts'

const answers: Record<string, (name: string) => string> = {
  help: () => 'help  name  date  colours  exit',
  name: name => name,
  date: () => new Date().toUTCString(),
  colours: () => [31, 32, 33, 34, 35, 36].map(colour => `\x1b[${colour}m■ ${colour}\x1b[0m`).join(' '),
}

/** @param running the name of a machine that runs. */
export function simConsole(running: (id: string) => string) {
  const holders = new Map<string, (why: HdcsError | null) => void>()
  const consoleOpen: Host['consoleOpen'] = async (id): Promise<HostConsole> => {
    const name = running(id)
    holders.get(id)?.(new HdcsError('conflict', 'another has the console now'))
    const waiting: Buffer[] = []
    let ended: { why: HdcsError | null } | null = null
    let wake = () => {}
    const end = (why: HdcsError | null) => {
      ended ??= { why }
      if (holders.get(id) === end) holders.delete(id)
      wake()
    }
    holders.set(id, end)
    const say = (text: string) => {
      waiting.push(Buffer.from(text))
      wake()
    }
    async function* output() {
      for (;;) {
        const bytes = waiting.shift()
        if (bytes) yield bytes
        else if (ended?.why) throw ended.why
        else if (ended) return
        else await new Promise<void>(heard => (wake = heard))
      }
    }
    const prompt = `\x1b[1;32m${name}\x1b[0m:~# `
    let typed = ''
    const enter = () => {
      const line = typed.trim()
      typed = ''
      if (line === 'exit') return end(null)
      const answer = answers[line]?.(name) ?? (line && `${line}: not found; try “help”`)
      say(`\r\n${answer ? `${answer}\r\n` : ''}${prompt}`)
    }
    say(`Simulated console of ${name}\r\n${prompt}`)
    return {
      output: output(),
      async write(bytes) {
        for (const character of Buffer.from(bytes).toString()) {
          if (character === '\r' || character === '\n') enter()
          else if (character === '\x7f' && typed) {
            typed = typed.slice(0, -1)
            say('\b \b')
          } else if (character >= ' ' && character !== '\x7f') {
            typed += character
            say(character)
          }
        }
      },
      async [Symbol.asyncDispose]() {
        end(null)
      },
    }
  }
  return { host: { consoleOpen }, ended: (id: string) => holders.get(id)?.(null) }
}
