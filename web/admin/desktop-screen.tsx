import { Group, Text } from '@mantine/core'
import { useInViewport } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useRefusal } from '../data/actions.ts'
import type { Desktop } from '../data/nouns.ts'
import { screenshotQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'
import { Panel } from '../ui/Panel.tsx'
import { problemOf } from '../ui/problem.ts'
import { useNow } from '../ui/TimeAgo.tsx'
import classes from './DesktopScreen.module.css'

/** A picture older than this says so. Lower: the word flickers between two pictures; higher: an old one passes for live. */
const liveSeconds = 6

/** What it shows, anew for as long as somebody sees this; a click opens it. */
export function DesktopScreen({ desktop }: { desktop: Desktop }) {
  const { t } = useTranslation()
  const refused = useRefusal()(desktop.actions, 'screen') !== null
  const { ref, inViewport } = useInViewport()
  const on = !refused && desktop.power !== 'stopped'
  const read = useQuery({ ...screenshotQuery(desktop.id), enabled: on && inViewport })
  const shown = on ? read.data : undefined
  const address = useAddress(shown?.png)
  const seconds = Math.max(0, Math.round((useNow() - (shown?.takenAt.getTime() ?? 0)) / 1000))
  const old = seconds > liveSeconds
  const problem = read.error && problemOf(read.error)
  return (
    <Panel
      title={t('watch.button')}
      aside={
        shown && (
          <Text size="xs" c="dimmed">
            {old ? t('watch.pictureOld', { seconds }) : t('watch.pictureNow')}
          </Text>
        )
      }
    >
      <div ref={ref} className={classes.frame} data-old={old || undefined}>
        {address ? (
          <AnchorLink
            to="/admin/desktops/$id/screen"
            params={{ id: desktop.id }}
            preload={false}
            aria-label={t('watch.open', { name: desktop.name })}
          >
            <img className={classes.picture} src={address} alt={t('watch.picture', { name: desktop.name })} />
          </AnchorLink>
        ) : (
          <Group className={classes.none} justify="center">
            <Text size="sm">
              {on ? (problem ? t('watch.pictureNone') : t('watch.pictureWait')) : t('watch.pictureOff')}
            </Text>
          </Group>
        )}
      </div>
      {on && problem && (
        <Text size="xs" c="dimmed" mt="xs" role="status">
          {problem.detail || (problem.known ? t(`problem.code.${problem.known}`) : t('problem.network'))}
        </Text>
      )}
    </Panel>
  )
}

/** The picture as an address of this page; the last one stays until the next is there. */
function useAddress(png: Blob | undefined): string | undefined {
  const [address, setAddress] = useState<string>()
  useEffect(() => {
    const made = png && URL.createObjectURL(png)
    setAddress(made)
    return () => {
      if (made) URL.revokeObjectURL(made)
    }
  }, [png])
  return address
}
