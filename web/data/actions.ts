/** What the API allows, as buttons need it: null to act, else the sentence that says why not. */

import { useMutation } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { saidWord } from '../i18n/said.ts'
import { useLiveness } from './live.ts'
import type { Action } from './nouns.ts'
import { queryClient } from './queries.ts'

/** Actions freeze while the page may be out of date. An action the API does not name is not there: `undefined`. */
export function useRefusal(): (actions: readonly Action[], name: string) => string | null | undefined {
  const { t } = useTranslation()
  const stale = useLiveness() === 'stale'
  return (actions, name) => {
    const action = actions.find(candidate => candidate.name === name)
    if (!action) return undefined
    if (stale) return t('frame.offlineAction')
    return action.allowed ? null : (saidWord(action.reason) ?? t('problem.code.conflict'))
  }
}

/** A write: when it came back, everything of these nouns is read again, whether it worked or not. */
export function useWrite<I, O>(act: (input: I) => Promise<O>, nouns: readonly string[]) {
  return useMutation({
    mutationFn: act,
    onSettled: async () => {
      await Promise.all([...nouns, 'task'].map(noun => queryClient.invalidateQueries({ queryKey: [noun] })))
    },
  })
}
