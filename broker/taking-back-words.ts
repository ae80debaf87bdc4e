/** What cancelling a receipt takes back, told before it is done. Pure. */

export interface TakesBack {
  /** A sentence. */
  text: string
  /** Something that was asked for, or what was made of it by then, goes: whoever cancels is asked first. */
  loss: boolean
}

/** By kind, for each that can be cancelled at all. */
export const takesBackWords: Readonly<Record<string, TakesBack>> = {
  'desktop.claim': { text: 'The person does not get the desktop; it goes back to its pool.', loss: true },
  'desktop.adopt': { text: 'The machine stays what it was; the copy of its disk is removed.', loss: true },
  'desktop.save': { text: 'The desktop runs on; what was written of its memory is removed.', loss: false },
  'desktop.clone': { text: 'The copy is removed; the desktop it is made of stays as it is.', loss: true },
  'desktop.snapshot': { text: 'The snapshot is not kept.', loss: true },
  'desktop.migrate': { text: 'The desktop stays where it is, unless it has arrived already.', loss: false },
  'desktop.many': { text: 'Each of them that has not ended is called off.', loss: true },
  'storagePool.make': { text: 'The storage pool is forgotten; what lies in its folder stays.', loss: true },
  'storagePool.refresh': { text: 'Nothing: its hosts read it all the same.', loss: false },
  'volume.make': { text: 'The volume is removed, with what was made of it.', loss: true },
  'volume.attach': { text: 'The volume stays, attached to nothing.', loss: false },
  'template.make': { text: 'The version is given up as failed; it can be tried again from the start.', loss: true },
  'template.copy': { text: 'The copy is given up, with what was sent by then.', loss: true },
  'template.export': { text: 'The file is removed; the version stays.', loss: true },
  'host.enterMaintenance': {
    text: 'The host takes desktops again; those that have left stay where they are.',
    loss: false,
  },
  'host.leaveMaintenance': { text: 'Desktops that have not come back stay where they are.', loss: false },
  'pool.push': { text: 'What is not remade yet stays on the version it has.', loss: false },
  'pool.verify': { text: 'Desktops that were not looked at yet are left as they are.', loss: false },
}
