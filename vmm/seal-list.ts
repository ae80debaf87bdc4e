/** What makes a machine this one: the same for every way of taking it out. All paths and names are plain words. */

/** Files of exactly these directories: `*` at the end of a name stands for anything. */
export const identity: Record<string, readonly string[]> = {
  '/etc': ['hostname', '.pwd.lock'],
  '/etc/ssh': ['ssh_host_*'],
  '/etc/udev/rules.d': ['70-persistent-net.rules'],
  '/var/lib/systemd': ['random-seed', 'credential.secret'],
  '/var/lib/systemd/network': ['*'],
  '/var/lib/dbus': ['machine-id'],
  '/var/lib/dhcp': ['*'],
  '/var/lib/NetworkManager': ['*'],
  '/var/lib/hdcs': ['instance', 'booted'],
}
/** Every file below them; the directories stay, as programs expect them. */
export const emptied = ['/var/log', '/var/lib/cloud', '/var/tmp', '/tmp']
/** In the home of everybody. */
export const traces = [
  '.bash_history',
  '.zsh_history',
  '.python_history',
  '.lesshst',
  '.viminfo',
  '.Xauthority',
  '.ICEauthority',
]

/** systemd takes an empty one as "not yet": the domain's UUID becomes it at the next boot. */
export const machineId = '/etc/machine-id'

/** As the sealing guest reads it (images/sealer/init). */
export const sealOrder = (): string =>
  [
    ...Object.entries(identity).flatMap(([folder, names]) => names.map(name => `in ${folder} ${name}`)),
    ...emptied.map(folder => `below ${folder}`),
    ...traces.map(name => `home ${name}`),
    `empty ${machineId}`,
    '',
  ].join('\n')
