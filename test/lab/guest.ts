/** Commands in a guest, through its agent: what somebody at its keyboard would do. */
import { setTimeout as pause } from 'node:timers/promises'
import type { LibvirtDaemon } from '../../vmm/libvirt/daemon.ts'
import { isLibvirt } from '../../vmm/libvirt/errors.ts'

const askSeconds = 20
const arrivalMs = 10_000

async function ask<T>(daemon: LibvirtDaemon, id: string, execute: string, given: Record<string, unknown>): Promise<T> {
  const answer = await daemon.statistics.domainQemuAgentCommand(
    {
      domain: { name: id, uuid: id, id: -1 },
      command: JSON.stringify({ execute, arguments: given }),
      timeoutSeconds: askSeconds,
    },
    { timeoutMs: askSeconds * 1_000 + 5_000 },
  )
  return (JSON.parse(answer ?? '{}') as { return: T }).return
}

/** A guest that has just arrived runs a moment before its new host has its agent's channel open. */
async function answers(daemon: LibvirtDaemon, id: string): Promise<void> {
  for (const deadline = Date.now() + arrivalMs; ; await pause(20))
    try {
      return void (await ask(daemon, id, 'guest-ping', {}))
    } catch (error) {
      if (!isLibvirt(error, 'agentUnresponsive') || Date.now() > deadline) throw error
    }
}

/** @returns what it printed. @throws when it fails or does not end. */
export async function guestRun(daemon: LibvirtDaemon, id: string, script: string): Promise<string> {
  await answers(daemon, id)
  const { pid } = await ask<{ pid: number }>(daemon, id, 'guest-exec', {
    path: '/bin/sh',
    arg: ['-c', script],
    'capture-output': true,
  })
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(100)) {
    const status = await ask<{ exited: boolean; exitcode?: number; 'out-data'?: string; 'err-data'?: string }>(
      daemon,
      id,
      'guest-exec-status',
      { pid },
    )
    if (!status.exited) continue
    const text = (data = '') => Buffer.from(data, 'base64').toString()
    if (status.exitcode !== 0) throw new Error(`“${script}” ended with ${status.exitcode}: ${text(status['err-data'])}`)
    return text(status['out-data']).trim()
  }
  throw new Error(`“${script}” did not end`)
}

/** Counts ten times a second in memory and once a second on its disk, for as long as the guest lives. */
export const guestCounter =
  'echo 0 >/run/count; (n=0; while :; do n=$((n+1)); echo $n >/run/count.new && mv /run/count.new /run/count; [ $((n % 10)) = 0 ] && echo $n >/data/count; sleep 0.1; done) </dev/null >/dev/null 2>&1 &'
