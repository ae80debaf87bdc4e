import { createRequire } from 'node:module'

/**
 * Called by vitest once: the PostgreSQL that all test files share.
 * Loaded by Node itself: in vitest's module runner for setup files `import.meta.resolve` does not exist.
 */
export default async function globalSetup(): Promise<() => Promise<void>> {
  const { startTestServer } = createRequire(import.meta.url)('./database.ts') as typeof import('./database.ts')
  const server = await startTestServer()
  return async () => {
    await server[Symbol.asyncDispose]()
  }
}
