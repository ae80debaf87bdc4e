import { Alert, Text } from '@mantine/core'
import { CircleAlert, Unplug } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import type { Desktop } from '../data/nouns.ts'
import { troubleWord, waitsWord } from '../data/words.ts'
import { ButtonLink } from '../frame/links.tsx'
import { saidWord } from '../i18n/said.ts'
import { Icon } from '../ui/Icon.tsx'

/** What keeps a desktop from being used: the sentence, what to do next, and its host's own words folded away. */
export function DesktopTrouble({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const may = useMay()
  const { trouble, waitsForHost, noNetwork } = desktop
  return (
    <>
      {(trouble || waitsForHost) && (
        <Alert color="red" icon={<Icon of={CircleAlert} />} title={t('desktops.trouble')}>
          <Text size="sm">{waitsWord(t, desktop) ?? (trouble && troubleWord(t, trouble))}</Text>
          {waitsForHost?.fence && may('host.write') && (
            <ButtonLink
              to="/admin/hosts/$id"
              params={{ id: waitsForHost.id }}
              search={{ show: 'fence' }}
              size="xs"
              variant="default"
              mt="sm"
            >
              {t('fence.title', { name: waitsForHost.name })}
            </ButtonLink>
          )}
          {trouble && <HostWords text={trouble.text} />}
        </Alert>
      )}
      {noNetwork && (
        <Alert color="yellow" icon={<Icon of={Unplug} />} title={t('desktops.noNetwork')}>
          {t('desktops.noNetworkText')}
        </Alert>
      )}
    </>
  )
}

/** What a host, its libvirt or its QEMU said: for those who look closer. */
function HostWords({ text }: { text: string }) {
  const { t } = useTranslation()
  return (
    <Text component="details" size="sm" mt="sm" style={{ overflowWrap: 'anywhere' }}>
      <summary>{t('desktops.hostWords')}</summary>
      {saidWord(text)}
    </Text>
  )
}
