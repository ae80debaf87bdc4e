import { Button, Center, Stack, Text, Title } from '@mantine/core'
import { Outlet, useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { followEvents } from '../data/live.ts'
import { onSignedOut, queryClient } from '../data/queries.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { PageHead } from '../ui/PageHead.tsx'
import { AnchorLink, ButtonLink } from './links.tsx'

/** Everything a signed-in person sees hangs below this: the event stream lives as long as it does. */
export function Person() {
  const navigate = useNavigate()
  useEffect(() => {
    const ended = new AbortController()
    void followEvents(ended.signal)
    return () => ended.abort()
  }, [])
  useEffect(
    () =>
      onSignedOut(() => {
        const to = window.location.pathname + window.location.search
        queryClient.clear()
        void navigate({ to: '/login', search: { ended: true, ...(to !== '/' && { to }) } })
      }),
    [navigate],
  )
  return <Outlet />
}

export function Missing() {
  const { t } = useTranslation()
  return (
    <Center mih="60vh" p="md">
      <Stack align="center" ta="center" gap="sm">
        <Title order={1} size="h2">
          {t('frame.notFoundTitle')}
        </Title>
        <Text c="dimmed">{t('frame.notFoundText')}</Text>
        <ButtonLink to="/">{t('frame.portal')}</ButtonLink>
      </Stack>
    </Center>
  )
}

/** The same within the console: its navigation stays. */
export function MissingInConsole() {
  const { t } = useTranslation()
  return (
    <>
      <PageHead title={t('frame.notFoundTitle')} up={<AnchorLink to="/admin">{t('nav.overview')}</AnchorLink>} />
      <Text>{t('frame.notFoundText')}</Text>
    </>
  )
}

export function Broken({ error }: { error: unknown }) {
  const { t } = useTranslation()
  return (
    <Center mih="60vh" p="md" component="main">
      <Stack maw="60ch" gap="sm">
        <Title order={1} size="h2">
          {t('frame.brokenTitle')}
        </Title>
        <Text c="dimmed">{t('frame.brokenText')}</Text>
        <ErrorPanel error={error} />
        <Button w="fit-content" onClick={() => window.location.reload()}>
          {t('frame.reload')}
        </Button>
      </Stack>
    </Center>
  )
}
