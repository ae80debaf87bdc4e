/**
 * Programs that an administrator may name by API are those that whoever holds the machine put into this folder, or linked
 * there: else the right to change a cluster would be the right to run anything beside the control plane. Browser-safe.
 */
export const commandsFolder = '/etc/hdcs/commands'

/** One program of the folder, and its arguments; nothing of it is read by a shell. */
export const commandForm = /^\/etc\/hdcs\/commands\/[A-Za-z0-9][A-Za-z0-9._-]*( [^\p{Cc}]*)?$/u
