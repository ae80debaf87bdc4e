/** GENERATED from guest.s (its head says how): a boot disk whose guest draws at the press of a key, ready in a second. */
const code =
  'McCO2Py4AwDNEOsAMcDNFjwxdBA8MnQ0PDN0XLQOMdvNEOvouAMAzRC/uAuJ+CQ/BDCJ+8HrAzD/gON/tAm5AQDNELQOzRBPdeLrwLgTAM0QuACgjsAx/7o0EmnSVWKBwhk2ifiI4IH/AH1yAojwqoH/APpy5euUuAJPu0MBzRAx9rgAoI7AuAVPMduJ8s0QMf+J+GnOAQEByKvB6AWrCf9170aD/h5y3ulg/w=='

/** A raw disk of 1 MiB. */
export function guestDisk(): Buffer {
  const disk = Buffer.alloc(1 << 20)
  Buffer.from(code, 'base64').copy(disk)
  disk.writeUInt16LE(0xaa55, 510)
  return disk
}
