/** For load balancers and start scripts: alive, ready, and what Prometheus scrapes. */
import type { Hono } from 'hono'
import type { Metrics } from './metrics.ts'

export interface Health {
  /** Rejects while the database does not answer. */
  databaseAnswers(): Promise<void>
  /** Whether some process moves machines now. */
  leaderExists(): Promise<boolean>
  desktopsByPhase(): Promise<Record<string, number>>
}

/** Longer: a load balancer's own patience ends first; shorter: a busy database takes the site down. */
const patienceMs = 3_000

export function mountHealth(app: Hono, health: Health, metrics: Metrics): void {
  app.get('/healthz', context => context.json({ status: 'alive' }))
  app.get('/readyz', async context => {
    const reason = await notReadyReason(health)
    return reason ? context.json({ status: 'waiting', reason }, 503) : context.json({ status: 'ready' })
  })
  app.get('/metrics', async context => context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }))
}

async function notReadyReason(health: Health): Promise<string | undefined> {
  const late = new Promise<string>(resolve => setTimeout(resolve, patienceMs, 'The database is slow.').unref())
  const asked = health.databaseAnswers().then(
    async () => ((await health.leaderExists()) ? undefined : 'No process leads the reconcilers yet.'),
    () => 'The database does not answer.', // the reason is in the database's log and in every request's
  )
  return Promise.race([asked.catch(() => 'The database does not answer.'), late])
}
