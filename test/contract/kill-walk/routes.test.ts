import { expect, it } from 'vitest'
import { desktopActions } from '../../../api/desktops.ts'
import { routes } from '../../../api/routes.ts'
import { unwalked, walked } from './walked.ts'

it('names every request that writes: walked through statement by statement, or why that is not needed', () => {
  const writing = routes.filter(({ method }) => method !== 'get').map(({ operationId }) => operationId)
  const all = writing.flatMap(id => (id === 'desktopAct' ? desktopActions.map(name => `${id} ${name}`) : [id]))
  const named = [...new Set(Object.values(walked).flatMap(Object.values).flat()), ...Object.keys(unwalked)]
  expect(named.toSorted()).toEqual(all.toSorted())
})
