import { answer, type Context } from './context.ts'
import { desktopFind } from './desktops.ts'
import { hostFind } from './maintenance.ts'

/** A desktop's domain, or with `--host` a host's capabilities, as its libvirt says them now. */
export async function xmlShow(context: Context, name: string, options: { host?: boolean }): Promise<void> {
  if (options.host) {
    const { id } = await hostFind(context, name)
    const said = await context.client.hostXml({ params: { id } })
    return answer(context, said, () => said.capabilities)
  }
  const { id } = await desktopFind(context, name)
  const said = await context.client.desktopXml({ params: { id } })
  answer(context, said, () => said.xml)
}
