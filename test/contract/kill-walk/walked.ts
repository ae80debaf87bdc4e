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
    'a claim that is called off': ['poolClaim', 'taskCancel'],
    'shutting down, starting, power off and start': ['desktopAct shutdown', 'desktopAct start', 'desktopAct poweroff'],
    'suspending, resuming, reboot and reset': [
      'desktopAct suspend',
      'desktopAct resume',
      'desktopAct reboot',
      'desktopAct reset',
    ],
    'opening a screen': ['desktopConnect'],
    'a person who is removed with desktops': ['poolClaim', 'userDelete'],
  },
  pools: {
    'a pool that is made, filled and removed': ['poolCreate', 'entitlementSet', 'poolDelete'],
    'a pool that is pushed to another version, one desktop of it in use': [
      'poolCreate',
      'entitlementSet',
      'poolClaim',
      'poolUpdate',
      'desktopAct release',
      'poolDelete',
    ],
    'a pool that grows, shrinks and is switched off': ['poolUpdate'],
    'a template that is built, called off, tried again, sent as a file, and removed': [
      'templateCreate',
      'templateUpdate',
      'versionAdd',
      'taskCancel',
      'versionRetry',
      'versionUpload',
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
  login: rowsAlone,
  logout: rowsAlone,
  meUpdate: rowsAlone,
  poolPlace: readsAlone,
  placementDryRun: readsAlone,
  clusterBalance: readsAlone,
  userCreate: rowsAlone,
  userUpdate: rowsAlone,
  userPasswordReset: rowsAlone,
  groupCreate: rowsAlone,
  groupUpdate: rowsAlone,
  groupDelete: rowsAlone,
  tokenCreate: rowsAlone,
  tokenDelete: rowsAlone,
}
