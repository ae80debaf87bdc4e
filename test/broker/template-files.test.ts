import { expect, it } from 'vitest'
import { fileProposal } from '../../broker/template-files.ts'
import { hardwareDefaults } from '../../lib/hardware.ts'
import { tarHeader } from '../../lib/tar.ts'
import { manifestName } from '../../lib/template-file.ts'

it('what a file says of itself is proposed without control characters, so that it is taken', () => {
  const madeAt = new Date('2026-01-02T03:04:05Z')
  const manifest = {
    kind: 'hdcs-template',
    format: 1,
    template: {
      name: 'office',
      description: 'ring \u0007\r\n\ttwice\u009b',
      hardware: { vcpus: 1, memoryBytes: 2 ** 30, video: 'virtio', diskBytes: null, sound: false, ...hardwareDefaults },
      readyWhen: 'agent',
    },
    version: { number: 1, notes: 'a\u001b[31m\rb', madeAt: madeAt.toISOString() },
    disk: { file: 'disk.qcow2', format: 'qcow2', virtualBytes: 1, sizeBytes: 1, sha256: '0'.repeat(64) },
  }
  const text = Buffer.from(JSON.stringify(manifest))
  const padded = Buffer.concat([text, Buffer.alloc(512 - (text.length % 512))])
  const disk = tarHeader({ name: 'disk.qcow2', sizeBytes: 1, madeAt })
  const head = Buffer.concat([tarHeader({ name: manifestName, sizeBytes: text.length, madeAt }), padded, disk])
  expect(fileProposal(head)).toMatchObject({ description: 'ring \n\ttwice', notes: 'a[31mb' })
})
