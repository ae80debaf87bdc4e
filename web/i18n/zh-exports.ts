import type { Words } from './en.ts'
import type { enExports } from './en-exports.ts'

/** 模板版本的文件：导出，以及导入前文件的自述。 */
export const zhExports = {
  exportState: { making: '制作中', ready: '已就绪', failed: '失败' },
  exportFormat: {
    hdcs: 'HDCS 模板（.hdcs.tar）',
    ova: 'OVA 虚拟机（.ova）',
    qcow2: 'QEMU 磁盘（.qcow2）',
    vmdk: 'VMware 磁盘（.vmdk）',
    raw: '原始磁盘（.img）',
  },
  exports: {
    title: '文件',
    export: '导出',
    begun: '正在制作文件：可在这里或任务中查看进度。',
    helpHdcs: '含名称、说明和硬件，供另一套 HDCS 导入',
    helpOva: '供 VirtualBox、VMware 等使用',
    helpDisk: '仅磁盘',
    download: '下载',
    until: '保留到 {{time}}',
    remove: '移除',
    stop: '停止',
    removeTitle: '移除 {{name}} 版本 {{number}} 的文件？',
    removeLoss: '文件：{{format}}。版本本身保留，文件可以重新制作。',
    removed: '已移除文件',
    progressOf: '正在制作 {{format}}',
    saysHdcs: '由 HDCS 导出的模板',
    saysOva: '其他软件导出的虚拟机',
    asName: '名称',
    asVersion: '原版本号',
    asCpus: '处理器',
    asMemory: '内存',
    asDisk: '磁盘',
    takenOver: '新模板将采用这些硬件，以后可以更改。',
    keptHardware: '模板保留自己的硬件设置。',
    reading: '正在读取文件……',
    cannot: '此文件无法导入',
  },
} satisfies Words<typeof enExports>
