/** How many of the placed desktops each host gets, most first; equals by name, so that the same answer looks the same. */
export function placedByHost(desktops: readonly { hostName: string | null }[]): { hostName: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const { hostName } of desktops) if (hostName !== null) counts.set(hostName, (counts.get(hostName) ?? 0) + 1)
  return [...counts]
    .map(([hostName, count]) => ({ hostName, count }))
    .toSorted((a, b) => b.count - a.count || a.hostName.localeCompare(b.hostName))
}
