/** An agent of one host of the lab, whose control plane is a test: settings in MOVE_AGENT, as JSON. */
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { agentSocket } from '../../vmm/agent-socket.ts'
import { httpDiskExchange } from '../../vmm/disk-exchange.ts'
import { type LibvirtHostOptions, openLibvirtHost } from '../../vmm/libvirt-host.ts'

export interface MoveAgentSettings
  extends Pick<LibvirtHostOptions, 'installationId' | 'folder' | 'cacheFolder' | 'spiceListen' | 'postCopy'> {
  /** `http://…` of the test. */
  url: string
}

const { url, ...place } = JSON.parse(process.env.MOVE_AGENT ?? '{}') as MoveAgentSettings
const log = makeLog('agent', process.env.HDCS_LOG_LEVEL ?? 'warn')
const fetchImage = () => Promise.reject(new Error('nothing was uploaded'))
const diskExchange = httpDiskExchange({ controlUrl: url, key: 'test' })
const host = await openLibvirtHost({ ...place, fetchImage, diskExchange, accelerator: 'tcg' })
await startAgent({ host, connect: agentSocket({ url: url.replace(/^http/, 'ws'), key: 'test', log }), log })
