/** `1 desktop is on it`, `2 desktops are on it`. @param one what follows a single one; @param many any other number. */
export const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`
