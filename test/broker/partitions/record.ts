/** Writes what comes of every scenario anew: `node test/broker/partitions/record.ts`, then read the difference in git. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scenarioFile, scenarioRun, scenarios, scenarioText } from './scenarios.ts'

const folder = fileURLToPath(new URL('fixtures', import.meta.url))
mkdirSync(folder, { recursive: true })
for (const file of readdirSync(folder)) rmSync(join(folder, file))
for (const scenario of scenarios)
  writeFileSync(join(folder, scenarioFile(scenario)), scenarioText(scenario, await scenarioRun(scenario)))
console.log(`${scenarios.length} scenarios recorded`)
