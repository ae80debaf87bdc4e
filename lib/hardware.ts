/** What of a machine's hardware has a choice of kinds, and which it is where nobody chose. */

/** `vga` starts quickest (text guests), `virtio` follows the window's size. */
export const videos = ['virtio', 'vga', 'qxl'] as const

/** `uefi`: without settings of its own that outlive a start; it starts `\EFI\BOOT\BOOTX64.EFI` of its disk. */
export const firmwares = ['bios', 'uefi'] as const
export type Firmware = (typeof firmwares)[number]

/** How a guest reaches its disk. `virtio` is the quickest, every system has a driver for `sata`; `scsi` is virtio's. */
export const diskBuses = ['virtio', 'sata', 'scsi'] as const
export type DiskBus = (typeof diskBuses)[number]

/** Of rows, wishes and files from before there was a choice. */
export const hardwareDefaults = { firmware: 'bios', diskBus: 'virtio' } as const

export interface HardwareKinds {
  firmware: Firmware
  diskBus: DiskBus
}

/** What it leaves open filled in. */
export const hardwareFull = <T extends { [K in keyof HardwareKinds]?: HardwareKinds[K] | undefined }>(
  hardware: T,
): T & HardwareKinds => ({
  ...hardware,
  firmware: hardware.firmware ?? hardwareDefaults.firmware,
  diskBus: hardware.diskBus ?? hardwareDefaults.diskBus,
})
