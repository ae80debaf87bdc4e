import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { probeAcceleration } from '../../vmm/kvm-probe.ts'

it('runs a guest on KVM before anybody believes in it, says why not, and remembers what the guest did', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hdcs-kvm-'))
  try {
    const first = await probeAcceleration({ folder, emulator: 'qemu-system-x86_64', qemuVersion: '7.2.0', runAs: null })
    expect(first.reason === null).toBe(first.accelerator === 'kvm')
    if (first.reason) expect(first.reason).toMatch(/\/dev\/kvm|QEMU/)
    const began = performance.now()
    expect(
      await probeAcceleration({ folder, emulator: 'qemu-system-x86_64', qemuVersion: '7.2.0', runAs: null }),
    ).toEqual(first)
    expect(performance.now() - began).toBeLessThan(1_000)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('falls back to emulation where QEMU itself cannot run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hdcs-kvm-'))
  try {
    expect(
      await probeAcceleration({ folder, emulator: '/no/such/qemu', qemuVersion: '7.2.0', runAs: null }),
    ).toMatchObject({ accelerator: 'tcg' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
