import { Group, Text } from '@mantine/core'
import { Unplug } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal, useWrite } from '../data/actions.ts'
import { DongleBadge } from '../data/badges.tsx'
import { client } from '../data/client.ts'
import type { Dongle, UsbDevice } from '../data/nouns.ts'
import { saidWord } from '../i18n/said.ts'
import { ActionButton } from '../ui/ActionButton.tsx'
import type { Loss } from '../ui/ConfirmLoss.tsx'
import { Icon } from '../ui/Icon.tsx'
import { notifyDone } from '../ui/notify.tsx'
import classes from './dongles.module.css'

/** By its names, else by its numbers. */
export const usbName = ({ vendorName, productName, vendor, product }: UsbDevice): string =>
  [vendorName, productName].filter(name => name !== '').join(' ') || `${vendor}:${product}`

/** One device: what it is, whose it is, what may be done. */
export function DongleLine(props: { name: string; of: UsbDevice | Dongle; children?: ReactNode; actions?: ReactNode }) {
  const { t } = useTranslation()
  const { vendor, product, serial, port } = props.of
  const numbers = [
    `${vendor}:${product}`,
    serial !== null && t('dongles.serial', { serial }),
    port !== null && t('dongles.port', { port }),
  ]
  return (
    <li className={classes.device}>
      <Group gap="sm" justify="space-between">
        <div>
          <Text size="sm" fw={600} className={classes.words}>
            {props.name}
          </Text>
          <Text size="xs" c="dimmed" className={classes.words}>
            {numbers.filter(Boolean).join(' · ')}
          </Text>
          {props.children && (
            <Group gap="xs" mt="xs">
              {props.children}
            </Group>
          )}
        </div>
        {props.actions}
      </Group>
    </li>
  )
}

/** How it stands with a dongle; a refusal in its host’s words. */
export function DongleStands({ dongle }: { dongle: Dongle }) {
  return (
    <>
      <DongleBadge dongle={dongle} />
      {dongle.text && (
        <Text size="xs" c="dimmed" className={classes.words} w="100%">
          {saidWord(dongle.text)}
        </Text>
      )}
    </>
  )
}

export function UnbindButton({ dongle, ask }: { dongle: Dongle; ask: (loss: Loss) => void }) {
  const { t } = useTranslation()
  const refusal = useRefusal()
  const unbind = useWrite(() => client.dongleUnbind({ params: { id: dongle.id } }), ['dongle', 'desktop'])
  const named = { name: dongle.name, desktop: dongle.desktopName }
  return (
    <ActionButton
      size="xs"
      variant="default"
      danger
      reason={refusal(dongle.actions, 'unbind') ?? null}
      leftSection={<Icon of={Unplug} small />}
      onClick={() =>
        ask({
          title: t('dongles.unbindTitle', named),
          lost: t('dongles.unbindLoss', named),
          instead: t('dongles.unbindAgain'),
          confirm: t('dongles.unbind'),
          act: async () => {
            await unbind.mutateAsync(undefined)
            notifyDone(t('dongles.unbound', named))
          },
        })
      }
    >
      {t('dongles.unbind')}
    </ActionButton>
  )
}
