/** What the pages say in English of clusters’ own networks and of copies that are planned; part of `en.ts`. */
export const enTransfer = {
  networks: {
    title: 'Networks of pools',
    lead: 'A pool may name a network of the site. Where this cluster has it under another name, say so here: desktops that are made here or move here are plugged in there. Those that run are at their next start.',
    none: 'Every network is looked for under the name that its pool gives it.',
    edit: 'Edit networks',
    add: 'Add a network',
    name: 'Network',
    nameHelp: 'As pools name it',
    here: 'Here it is',
    hereHelp: 'A bridge or interface of the hosts',
    vlan: 'VLAN',
    vlanHelp: 'Empty: the pool’s; 0: none',
    remove: 'Remove the line of {{name}}',
    tagged: '{{here}}, VLAN {{vlan}}',
    untagged: '{{here}}, without VLAN',
    nameBad: 'Letters, digits, dots and dashes, 15 at most.',
    nameTwice: 'It is there already.',
    vlanBad: '1 to 4094, 0 or empty.',
  },
} as const
