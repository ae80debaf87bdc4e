/** An agent on real libvirt as a process of its own, to be killed: `agent-process.ts URL FOLDER INSTALLATION`. */
import { makeLog } from '../../lib/log.ts'
import { startAgent } from '../../vmm/agent.ts'
import { agentSocket } from '../../vmm/agent-socket.ts'
import { openLibvirtHost } from '../../vmm/libvirt-host.ts'

const [url = '', folder = '', installationId = ''] = process.argv.slice(2)
const log = makeLog('agent', process.env.HDCS_LOG_LEVEL ?? 'warn')
const fetchImage = () => Promise.reject(new Error('nothing was uploaded'))
const host = await openLibvirtHost({ installationId, folder, fetchImage, accelerator: 'tcg' })
await startAgent({ host, connect: agentSocket({ url, key: 'test', log }), log })
