/** What a host can carry, in desktops of the reference profile. Pure. */

/** One desktop of the reference profile: 1 vCPU, 1 GiB. */
const referenceMemoryBytes = 2 ** 30

/**
 * QEMU beside the guest's memory: itself, video, translation cache (measured 90 to 130 MiB). Lower: hosts that are
 * called free begin to swap; higher: memory lies idle.
 */
const desktopExtraBytes = 128 * 2 ** 20

/** Kept for the host: the larger of 512 MiB and a sixteenth. Lower: the first burst of page cache swaps guests out. */
const hostReserveBytes = (memoryBytes: number) => Math.max(512 * 2 ** 20, memoryBytes / 16)

/**
 * vCPUs a core carries. Desktops idle most of the time: 8 for KVM is the usual figure of the field; an emulated idle
 * desktop uses 2 to 6 % of a core, and one that works uses it whole, so 4.
 */
const desktopsPerCore = { kvm: 8, tcg: 4 } satisfies Record<'kvm' | 'tcg', number>

/**
 * capacity = min( cpus × desktopsPerCore, (memory − reserve) ÷ (1 GiB + 128 MiB) ), whole desktops, 0 at least.
 */
export function capacityOf(host: { cpus: number; memoryBytes: number; accelerator: 'kvm' | 'tcg' }): number {
  const byCpu = host.cpus * desktopsPerCore[host.accelerator]
  const byMemory = (host.memoryBytes - hostReserveBytes(host.memoryBytes)) / (referenceMemoryBytes + desktopExtraBytes)
  return Math.max(0, Math.floor(Math.min(byCpu, byMemory)))
}
