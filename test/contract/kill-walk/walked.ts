/**
 * What the walks are walked through, and of everything else that writes why it needs no walk: together all there is
 * (routes.test.ts). Each undisturbed run is held to its own list.
 */
import type { OperationId } from '../../../api/client.ts'

export const walked = {
  desktops: {
    'a claim and its giving back': ['poolClaim', 'desktopAct release'],
    'a desktop of one’s own, made, changed and removed': ['poolClaim', 'desktopUpdate', 'desktopAct delete'],
    'a desktop that is made by hand, and removed': ['desktopMake', 'desktopAct delete'],
    'desktops that are made for several people, one of whom is refused': ['desktopsMake', 'desktopsAct'],
    'a machine of a host that is adopted, and removed': ['foreignMachineAdopt', 'desktopAct delete'],
    'a desktop that is deleted, restored and deleted for good': [
      'poolClaim',
      'desktopAct delete',
      'desktopAct restore',
      'desktopAct purge',
    ],
    'a desktop that is copied': ['desktopAct poweroff', 'desktopClone', 'desktopsAct'],
    'a claim that is called off': ['poolClaim', 'taskCancel'],
    'shutting down, starting, power off and start': ['desktopAct shutdown', 'desktopAct start', 'desktopAct poweroff'],
    'suspending, resuming, reboot and reset': [
      'desktopAct suspend',
      'desktopAct resume',
      'desktopAct reboot',
      'desktopAct reset',
    ],
    'a dongle that is bound, plugged in, and taken out': ['dongleBind', 'dongleUnbind'],
    'saving its memory, and going on from there': ['desktopAct save', 'desktopAct start'],
    'a script that is tried': ['desktopScriptTry'],
    'a snapshot that is taken, reverted to, and removed': [
      'snapshotTake',
      'desktopAct poweroff',
      'snapshotRevert',
      'snapshotRemove',
      'desktopAct start',
    ],
    'opening a screen': ['desktopConnect', 'screenOpen'],
    'a person who is removed with desktops': ['poolClaim', 'userDelete'],
  },
  pools: {
    'a pool that is made, filled and removed': ['poolCreate', 'entitlementSet', 'poolDelete'],
    'desktops of a pool that are looked at, and a look that is called off': [
      'poolCreate',
      'verificationMake',
      'taskCancel',
      'poolDelete',
    ],
    'a pool that grows, shrinks and is switched off': ['poolUpdate'],
    'a pool whose guests are customised, one of which is set aside and tried again': [
      'poolCreate',
      'desktopAct customise',
      'poolDelete',
    ],
  },
  pushes: {
    'a pool that is pushed to another version, one desktop of it in use': [
      'poolCreate',
      'entitlementSet',
      'poolClaim',
      'poolUpdate',
      'desktopAct release',
      'poolDelete',
    ],
    'a push that waits, is given another time, runs, and is rolled back, and one that is called off': [
      'poolCreate',
      'pushMake',
      'pushUpdate',
      'pushRollback',
      'pushCancel',
      'poolDelete',
    ],
  },
  templates: {
    'a template that is built, called off, tried again, sent as a file, and removed': [
      'templateCreate',
      'templateUpdate',
      'versionAdd',
      'taskCancel',
      'versionRetry',
      'versionUpload',
      'exportMake',
      'exportRemove',
      'versionDelete',
      'templateDelete',
    ],
    'a desktop that becomes a template version, which goes to another cluster, and is removed': [
      'poolCreate',
      'entitlementSet',
      'poolClaim',
      'desktopAct poweroff',
      'templateCreate',
      'clusterCreate',
      'copyMake',
      'taskCancel',
      'copyRemove',
      'clusterDelete',
      'templateDelete',
      'poolDelete',
    ],
  },
  moves: {
    'a live move': ['desktopMigrate'],
    'a move that is called off': ['desktopMigrate', 'taskCancel'],
    'a move with its storage to another cluster, and a start with an address of there': [
      'desktopMigrate',
      'desktopAct poweroff',
      'desktopAct start',
    ],
    'a move while it is shut down': ['desktopAct poweroff', 'desktopMigrate', 'desktopAct start'],
    'a maintenance with evacuation, and its end': ['hostEnterMaintenance', 'hostLeaveMaintenance'],
  },
  storage: {
    'a storage pool and a volume on it, which a desktop has for a while': [
      'storagePoolCreate',
      'storagePoolUpdate',
      'storagePoolRefresh',
      'volumeCreate',
      'volumeAttach',
      'volumeResize',
      'volumeDetach',
      'volumeDelete',
      'storagePoolDelete',
    ],
  },
  hosts: {
    'a host that is cut off while its desktops run on, is confirmed to be off, and is heard again': ['hostFence'],
    'a host that loses power with a desktop that somebody keeps, is fenced by its command, and comes back': [],
    'a host that is emptied, switched off to save power, and switched on again': [],
    'a site and a cluster with a host that joins, gets another network, and is removed': [
      'siteCreate',
      'siteUpdate',
      'clusterCreate',
      'joinTokenMake',
      'hostUpdate',
      'clusterUpdate',
      'hostRemove',
      'clusterDelete',
      'siteDelete',
    ],
    'a host that joins, carries a desktop, is lost and removed by force': [
      'joinTokenMake',
      'hostUpdate',
      'poolClaim',
      'desktopAct reboot',
      'hostRemove',
    ],
  },
} as const

/** One transaction of rows that no host hears of: it is there or not. */
const rowsAlone = 'one transaction, of which no host hears'
const readsAlone = 'says what would be, and writes nothing but the trail'

export const unwalked: Partial<Record<OperationId, string>> = {
  desktopConsole: 'a question to its host, which is forgotten with its answer; nothing else is written',
  login: rowsAlone,
  logout: rowsAlone,
  meUpdate: rowsAlone,
  poolPlace: readsAlone,
  placementDryRun: readsAlone,
  answerFilePreview: readsAlone,
  clusterBalance: readsAlone,
  templateFileInspect: readsAlone,
  userCreate: rowsAlone,
  userUpdate: rowsAlone,
  userPasswordReset: rowsAlone,
  versionUpdate: rowsAlone,
  groupCreate: rowsAlone,
  groupUpdate: rowsAlone,
  groupDelete: rowsAlone,
  tokenCreate: rowsAlone,
  tokenDelete: rowsAlone,
}
