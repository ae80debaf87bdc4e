const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** A size as it stands in sentences for people: `1.5 GiB`, `96 MiB`, `100 bytes`. */
export function sizeText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${units[power]}`
}
