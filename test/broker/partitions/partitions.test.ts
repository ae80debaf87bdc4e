import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { chanceRun } from './chance.ts'
import { scenarioFile, scenarioRun, scenarios, scenarioText } from './scenarios.ts'

const folder = fileURLToPath(new URL('fixtures', import.meta.url))
/** 1,000 take three seconds on one core. */
const runs = 1_000

describe('whatever is cut, killed, crashed, healed and restarted by chance', () => {
  it('no disk is opened twice, and everything ends where and as it is wished', async () => {
    const wrong: string[] = []
    let returned = 0
    let fenced = 0
    let refused = 0
    for (let seed = 1; seed <= runs; seed++) {
      const model = await chanceRun(seed)
      const wrongs = model.wrongs()
      if (wrongs.length > 0) wrong.push(`seed ${seed}: ${wrongs.join('; ')}`)
      const happened = (mark: string) => model.timeline.lines.filter(line => line.includes(mark)).length
      returned += happened(' → ')
      fenced += happened('is fenced')
      refused += happened('has the lock')
    }
    expect(wrong).toEqual([])
    // The runs are about something.
    expect(Math.min(returned, fenced, refused)).toBeGreaterThan(runs / 2)
  }, 60_000)
})

describe('what comes of', () => {
  it.each(scenarios.map(scenario => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const recorded = readFileSync(join(folder, scenarioFile(scenario)), 'utf8')
    const text = scenarioText(scenario, await scenarioRun(scenario))
    expect(text, 'if this is as it should be: node test/broker/partitions/record.ts').toBe(recorded)
  })

  it('at least forty scenarios is recorded, each ends well, and no file is left over', () => {
    expect(scenarios.length).toBeGreaterThanOrEqual(40)
    expect(readdirSync(folder).toSorted()).toEqual(scenarios.map(scenarioFile).toSorted())
    const bad = readdirSync(folder).filter(file => /WRONG|DOUBLE/.test(readFileSync(join(folder, file), 'utf8')))
    expect(bad).toEqual([])
  })
})
