import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SafetyViolation } from './core-invariants.ts'
import { CORE_PLANTS } from './core-plants.ts'
import { runCoreSimulation } from './core-simulation.ts'

const STEPS = 4000
const SEEDS = 400
/** A bug that these seeds don't show would go unnoticed. Most show within ten. */
const PLANT_SEEDS_MAX = 600

test(`${SEEDS} seeds of the Raft core keep all promises`, () => {
  let committed = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      committed += runCoreSimulation({ seed, steps: STEPS }).committed
    } catch (error) {
      throw new Error(`seed ${seed}: repeat with node dist/test/sim/main.js --rung core --from ${seed} --seeds 1`, { cause: error })
    }
  }
  assert.ok(committed > 10 * SEEDS, `only ${committed} entries were committed: the simulation does too little`)
})

for (const { name, what, seams } of CORE_PLANTS) {
  test(`the simulation notices when ${what}`, () => {
    for (let seed = 1; seed <= PLANT_SEEDS_MAX; seed++) {
      try {
        runCoreSimulation({ seed, steps: STEPS, seams })
      } catch (error) {
        assert.ok(error instanceof SafetyViolation)
        return
      }
    }
    assert.fail(`${name} went unnoticed for ${PLANT_SEEDS_MAX} seeds`)
  })
}

test('a seed repeats exactly', () => {
  assert.deepEqual(runCoreSimulation({ seed: 7, steps: STEPS }), runCoreSimulation({ seed: 7, steps: STEPS }))
})
