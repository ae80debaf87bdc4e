import type { Words } from './en.ts'
import type { enTransfer } from './en-transfer.ts'

export const zhTransfer: Words<typeof enTransfer> = {
  networks: {
    title: '桌面池的网络',
    lead: '桌面池可以指定站点的某个网络。如果它在本集群中叫另一个名称，请在此说明：在这里创建或迁移到这里的桌面会接入对应的接口；正在运行的桌面从下次开机起生效。',
    none: '所有网络都按桌面池给出的名称查找。',
    edit: '编辑网络',
    add: '添加网络',
    name: '网络',
    nameHelp: '桌面池使用的名称',
    here: '在此集群中为',
    hereHelp: '节点的网桥或接口',
    vlan: 'VLAN',
    vlanHelp: '留空：按桌面池设置；0：不使用',
    remove: '删除 {{name}} 这一行',
    tagged: '{{here}}，VLAN {{vlan}}',
    untagged: '{{here}}，不使用 VLAN',
    nameBad: '字母、数字、点和连字符，最多 15 个字符。',
    nameTwice: '此网络已在列表中。',
    vlanBad: '请填 1 到 4094、0 或留空。',
  },
}
