/** What a machine's hardware has a choice of. */
export const enHardware = {
  hardware: {
    change: 'Change…',
    templateTitle: 'Hardware of desktops made of {{name}}',
    templateText: 'For desktops that are made from now on, in pools without hardware of their own. Others keep theirs.',
    templateSaved: 'Desktops of {{name}} are made with it from now on',
    firmware: 'Firmware',
    firmwareHelp:
      'As the system on the disk was installed. UEFI keeps no settings and has no Secure Boot; it starts \\EFI\\BOOT\\BOOTX64.EFI.',
    bios: 'BIOS',
    uefi: 'UEFI',
    diskBus: 'Disk on',
    diskBusHelp: 'virtio is the quickest; SATA needs no special driver, as after a Windows setup from its own medium.',
    virtio: 'virtio',
    sata: 'SATA',
    scsi: 'SCSI (virtio-scsi)',
    changes: 'What changes for its system:',
    changesBus: 'Its disk is on {{bus}} instead of {{was}}.',
    changesUefi:
      'Its UEFI settings are not taken over, and there is no Secure Boot: what its disk has under \\EFI\\BOOT\\BOOTX64.EFI starts.',
    hostUefi: 'UEFI for desktops',
    hostUefiNo: 'missing: install the package ovmf on it',
    hostUefiOld: 'its agent is too old',
  },
} as const
