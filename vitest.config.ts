import { defineConfig } from 'vitest/config'

/** Five at a time: long, mostly waiting (a fifth of a core each), and nothing in them is real but the database. */
const walks = ['test/contract/kill-walk/*.test.ts', 'test/contract/sim-host.test.ts']

/** Two at a time: half of it is the browser, half the server, and hosts are simulated; or a guest has a core of its own. */
const pairs = [
  'test/journeys/!(first-desktop).test.ts',
  'test/spice/*chromium*.test.ts',
  'test/images/*.test.ts',
  'test/vmm/{clones,growing,seal-guest,uefi}-qemu.test.ts',
  'test/lab/killed-agent.test.ts',
]

/** One at a time, after everything else: they measure time or boot real machines. */
const heavy = [
  'test/journeys/first-desktop.test.ts',
  'test/contract/*.test.ts',
  'test/lab/**/*.test.ts',
  'test/**/*qemu*.test.ts',
  'test/**/*libvirt*.test.ts',
]

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // Longer than any single step may take, shorter than a person's patience with a hung test.
    teardownTimeout: 60_000,
    // The default of one second is missed on a machine that does four things at once.
    expect: { poll: { timeout: 15_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
          exclude: [...walks, ...pairs, ...heavy],
          // More than the cores of a small machine: starts of PostgreSQL databases and type stripping starve each other.
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'walks',
          include: walks,
          maxWorkers: 5,
          testTimeout: 300_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'pairs',
          include: pairs,
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'heavy',
          include: heavy,
          exclude: [...walks, ...pairs],
          fileParallelism: false,
          // A guest boots in 5 s alone and emulated; building its image takes a minute on a cold cache.
          testTimeout: 300_000,
          hookTimeout: 600_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
