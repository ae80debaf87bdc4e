import { useParams } from '@tanstack/react-router'
import { useCallback, useRef } from 'react'
import { client } from '../data/client.ts'
import { ScreenPage } from './DesktopPage.tsx'
import type { Connect } from './session.ts'

/** The screen of any machine, for administrators: whoever has it loses it when that was said, and only then. */
export function WatchPage() {
  const { id } = useParams({ from: '/person/admin/desktops/$id/screen' })
  const taking = useRef(false)
  const connect = useCallback<Connect>(
    resume => {
      const take = taking.current
      taking.current = false
      return client.screenOpen({ params: { id }, body: { take, ...resume } })
    },
    [id],
  )
  const take = useCallback(() => {
    taking.current = true
  }, [])
  return <ScreenPage desktopId={id} connect={connect} watch={{ take }} />
}
