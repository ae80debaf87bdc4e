/** A host that copies an image, as a process of its own, to be killed: `copying-process.ts FOLDER STATE IMAGE`. */
import { copyFetcher } from '../../vmm/image-fetch.ts'
import { copyingHost } from './image-hosts.ts'

const [folder = '', stateFolder = '', image = ''] = process.argv.slice(2)
const { store } = await copyingHost(folder, copyFetcher(stateFolder))
await store.imageMake(JSON.parse(image), () => {}, new AbortController().signal)
