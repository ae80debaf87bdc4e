/** What Prometheus reads at /metrics. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  note(request: { operation: string; status: number; ms: number }): void
  /** Prometheus text format. */
  text(): Promise<string>
  contentType: string
}

/** @param desktopsByPhase asked at each scrape. */
export function makeMetrics(desktopsByPhase: () => Promise<Record<string, number>>): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'hdcs_http_requests_total',
    help: 'Requests by operation and status',
    labelNames: ['operation', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'hdcs_http_request_duration_seconds',
    help: 'From the request to the last header of its answer',
    labelNames: ['operation'],
    // A claim is promised in milliseconds, a wait for a task lasts up to five minutes.
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300],
    registers,
  })
  new Gauge({
    name: 'hdcs_desktops',
    help: 'Desktops by phase',
    labelNames: ['phase'],
    registers,
    async collect() {
      this.reset()
      for (const [phase, count] of Object.entries(await desktopsByPhase())) this.set({ phase }, count)
    },
  })
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of this process',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of this process',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.set((user + system) / 1e6)
    },
  })
  return {
    note({ operation, status, ms }) {
      requests.inc({ operation, status })
      durations.observe({ operation }, ms / 1000)
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
