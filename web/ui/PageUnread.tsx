import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ErrorPanel } from './ErrorPanel.tsx'
import { PageHead } from './PageHead.tsx'
import { PageWait } from './PageWait.tsx'
import { problemOf } from './problem.ts'

interface PageUnreadProps {
  read: { error: unknown; refetch: () => unknown }
  /** The list where such things are, as a link. */
  up: ReactNode
}

/** A page about one thing that is being read, is not there, or could not be read. */
export function PageUnread({ read, up }: PageUnreadProps) {
  const { t } = useTranslation()
  if (!read.error) return <PageWait />
  const { known } = problemOf(read.error)
  // An address with no id in it is as good as one of what was removed.
  const nothing = known === 'not_found' || known === 'invalid'
  return (
    <>
      <PageHead title={t(nothing ? 'frame.notFoundTitle' : 'problem.title')} up={up} />
      {nothing ? (
        <Text>{t('frame.notFoundText')}</Text>
      ) : (
        <ErrorPanel error={read.error} retry={() => void read.refetch()} />
      )}
    </>
  )
}
