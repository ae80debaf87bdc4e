/** 虚拟机硬件的可选项。 */
export const zhHardware = {
  hardware: {
    change: '更改…',
    templateTitle: '由 {{name}} 制作的桌面的硬件',
    templateText: '适用于此后制作的桌面，且所在桌面池没有单独设定硬件。其他桌面保持不变。',
    templateSaved: '{{name}} 的桌面今后将按此制作',
    firmware: '固件',
    firmwareHelp: '须与磁盘上系统的安装方式一致。UEFI 不保存设置，也没有安全启动：启动 \\EFI\\BOOT\\BOOTX64.EFI。',
    bios: 'BIOS',
    uefi: 'UEFI',
    diskBus: '磁盘接口',
    diskBusHelp: 'virtio 最快；SATA 不需要专门的驱动，例如用原版介质安装的 Windows。',
    virtio: 'virtio',
    sata: 'SATA',
    scsi: 'SCSI（virtio-scsi）',
    changes: '对其系统而言的变化：',
    changesBus: '磁盘接口由 {{was}} 改为 {{bus}}。',
    changesUefi: '不接管其 UEFI 设置，也没有安全启动：启动磁盘上的 \\EFI\\BOOT\\BOOTX64.EFI。',
    hostUefi: '桌面可用 UEFI',
    hostUefiNo: '缺少：请在该节点上安装软件包 ovmf',
    hostUefiOld: '其代理版本过旧',
  },
} as const
