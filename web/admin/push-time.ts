/** Times as a box for date and time holds them: without a zone, of wherever one sits. Pure. */

/** @returns null for what is no time. */
export function timeAsked(text: string): Date | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text)) return null
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? null : at
}

/** The same the other way round. */
export function timeHeld(at: Date): string {
  const two = (part: number) => String(part).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`
}

/** As its people call it: `Europe/Vienna`. */
export const localZone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone
