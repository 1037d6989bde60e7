import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findPlant, PLANT_SEEDS_MAX, PLANTS } from '../plant-table.ts'
import { runCoreSimulation } from './core-simulation.ts'

const STEPS = 5000
/** Two million steps; the long tests make 60 million. */
const SEEDS = 300

test(`${SEEDS} seeds of the Raft core keep all promises`, () => {
  let committed = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      committed += runCoreSimulation({ seed, steps: STEPS }).committed
    } catch (error) {
      throw new Error(`seed ${seed}: repeat with node dist/test/sim/main.js --rung core --from ${seed} --seeds 1 --log`, { cause: error })
    }
  }
  assert.ok(committed > 10 * SEEDS, `only ${committed} entries were committed: the simulation does too little`)
})

for (const plant of PLANTS.filter(({ rung }) => rung === 'core')) {
  test(`the simulation notices when ${plant.what}`, async () => {
    const { seeds } = await findPlant(plant)
    assert.ok(seeds !== undefined, `${plant.name} went unnoticed for ${PLANT_SEEDS_MAX.core} seeds`)
  })
}

test('a seed repeats exactly', () => {
  assert.deepEqual(runCoreSimulation({ seed: 7, steps: STEPS }), runCoreSimulation({ seed: 7, steps: STEPS }))
})
