import { expect, it } from 'vitest'
import { removalText } from '../../broker/pool-removal.ts'

const person = (n: number, loses: 'disk' | 'unsaved', connected = false) => ({
  desktopName: `d-${n}`,
  userName: `p${n}`,
  connected,
  loses,
})

const nothing = { name: 'lab', total: 0, binned: 0, people: [], versions: [], volumes: [], pushes: 0 }

it('says of a pool that shall go who loses what, and what goes on', () => {
  expect(removalText({ ...nothing, total: 3 })).toBe('lab is removed with 3 desktops.')
  const versions = [
    { templateName: 'gold', number: 1, ends: false },
    { templateName: 'gold', number: 2, ends: true },
  ]
  const people = [person(1, 'disk', true), person(2, 'disk')]
  expect(removalText({ ...nothing, total: 2, binned: 1, people, versions, volumes: ['data'], pushes: 1 })).toBe(
    'lab is removed with 2 desktops and 1 in the recycle bin. Destroyed with all that is kept on them: d-1 of p1, d-2 of p2. 1 person is connected right now. No longer made: gold version 2. Unplugged, and kept: data. 1 push is called off.',
  )
  const many = Array.from({ length: 12 }, (_, n) => person(n, 'unsaved'))
  expect(removalText({ ...nothing, total: 12, people: many })).toMatch(
    /what was not saved elsewhere: d-0 of p0, .*, d-9 of p9 and 2 more\./,
  )
})
