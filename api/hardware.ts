/** What a desktop is made of, as templates, pools and single desktops name it. */
import { z } from '@hono/zod-openapi'
import { diskBuses, firmwares } from '../lib/hardware.ts'

const MiB = 2 ** 20
export const hardwareSchema = z
  .object({
    vcpus: z.number().int().min(1).max(64),
    memoryBytes: z
      .number()
      .int()
      .min(64 * MiB)
      .max(1024 * 1024 * MiB),
    video: z.enum(['vga', 'virtio', 'qxl']),
    diskBytes: z.number().int().positive().nullable(),
    sound: z.boolean(),
    /** `uefi` keeps no settings: what its disk has under `\\EFI\\BOOT\\BOOTX64.EFI` starts. */
    firmware: z.enum(firmwares),
    /** `virtio` is the quickest; `sata` needs no driver of ours; `scsi` is virtio-scsi. */
    diskBus: z.enum(diskBuses),
  })
  .openapi('Hardware')

export const hardwareNames = z.enum(['vcpus', 'memoryBytes', 'video', 'diskBytes', 'sound', 'firmware', 'diskBus'])
