/** What the programs of guest-sh.ts and guest-powershell.ts answer: a line of facts, then the end of the script's output. */
import { HdcsError } from '../lib/errors.ts'
import { outputBytes } from './guest-sh.ts'
import type { GuestScriptState } from './host.ts'

const firstLine = /^\uFEFF?hdcs-script (running|late|interrupted|-?\d+) (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)\r?$/

/** @throws HdcsError `unsupported` when it is no answer: the guest lacks what the program needs. */
export function guestAnswer(bytes: Uint8Array, said: string): GuestScriptState {
  const at = bytes.indexOf(10)
  const head = new TextDecoder().decode(bytes.subarray(0, at < 0 ? bytes.length : at))
  const facts = firstLine.exec(head)
  if (!facts) {
    const words = textCleaned(`${new TextDecoder().decode(bytes)}\n${said}`)
      .trim()
      .slice(0, 500)
    throw new HdcsError('unsupported', `The guest cannot run scripts: ${words || 'it answered nothing'}.`)
  }
  const [, word = '', began, ended] = facts
  const ms = Math.max(0, Math.round((Number(ended) - Number(began)) * 1000))
  const output = textCleaned(new TextDecoder().decode(at < 0 ? new Uint8Array() : bytes.subarray(at + 1)))
  if (word === 'running' || word === 'late') return { state: word, exitCode: null, ms, output }
  // The clock that it began by ended with the guest.
  if (word === 'interrupted') return { state: word, exitCode: null, ms: 0, output }
  return { state: 'ended', exitCode: Number(word), ms, output }
}

const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, 'g')

/** Colours, bells and half signs at the cut are of no use to who reads it on a page; PostgreSQL takes no NUL. */
export function textCleaned(text: string): string {
  const plain = text
    .replaceAll(colours, '')
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '')
    .replace(/^\uFFFD+/, '')
  return plain.toWellFormed().slice(-outputBytes)
}
