import type { TFunction } from 'i18next'
import { describe, expect, it } from 'vitest'
import { appliesText, hardwareChange, hardwareValues } from '../../web/admin/hardware-values.ts'

const kinds = { video: 'virtio', sound: true, firmware: 'bios', diskBus: 'virtio' } as const
const hardware = { vcpus: 2, memoryBytes: 2 ** 30, diskBytes: null, ...kinds }
const t = ((key: string, values?: { what?: string }) =>
  values?.what ? `${key}: ${values.what}` : key) as unknown as TFunction

describe('the hardware of one desktop', () => {
  it('changes nothing that nobody changed', () => {
    expect(hardwareChange(hardware, hardwareValues(hardware))).toEqual({})
    const grown = { ...hardware, diskBytes: 20 * 2 ** 30 }
    expect(hardwareChange(grown, hardwareValues(grown))).toEqual({})
  })

  it('is sent in bytes, what was changed alone', () => {
    const values = { ...hardwareValues(hardware), memoryMib: '1536', diskGib: 20 }
    expect(hardwareChange(hardware, values)).toEqual({ memoryBytes: 1536 * 2 ** 20, diskBytes: 20 * 2 ** 30 })
  })

  it('is said by when it applies', () => {
    expect(appliesText(t, { now: ['diskBytes'], nextStart: ['sound', 'vcpus'], why: { vcpus: 'it is full' } })).toBe(
      'desktops.hardwareNow: templates.disk desktops.hardwareNext: pools.form.sound desktops.hardwareNextWhy: pools.form.vcpus',
    )
    expect(appliesText(t, { now: [], nextStart: [], why: {} })).toBe('desktops.hardwareSame')
  })
})
