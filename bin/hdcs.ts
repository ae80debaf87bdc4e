/** `hdcs`: the command line client. */
import { hdcs } from '../cli/commands.ts'

// The first Ctrl-C ends the request at hand in good order, the second one ends the program.
const ending = new AbortController()
process.once('SIGINT', () => ending.abort())

process.exitCode = await hdcs(process.argv.slice(2), {
  env: process.env,
  terminal: {
    width: process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY,
    interactive: process.stderr.isTTY === true,
    note: text => void process.stderr.write(text),
  },
  print: text => void process.stdout.write(`${text}\n`),
  now: () => new Date(),
  signal: ending.signal,
})
