import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runClusterSimulation } from './cluster-simulation.ts'

/** About a second each; the long profile runs more (test/sim/main.ts). */
const SEEDS = 16

test(`${SEEDS} seeds of a whole cluster keep all promises and settle`, async () => {
  let entries = 0
  let acknowledged = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const result = await runClusterSimulation({ seed })
      entries += result.entries
      acknowledged += result.acknowledged
    } catch (error) {
      throw new Error(`seed ${seed}: repeat with node dist/test/sim/main.js --rung cluster --from ${seed} --seeds 1 --log`, { cause: error })
    }
  }
  assert.ok(entries > 40 * SEEDS && acknowledged > 5 * SEEDS, `only ${entries} entries and ${acknowledged} acknowledged changes: the simulation does too little`)
})

test('a seed repeats exactly', async () => {
  assert.deepEqual(await runClusterSimulation({ seed: 3 }), await runClusterSimulation({ seed: 3 }))
})
