import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SafetyViolation } from '../core/core-invariants.ts'
import { CLUSTER_PLANTS } from './cluster-plants.ts'
import { runClusterSimulation } from './cluster-simulation.ts'

/** A bug that these seeds don't show would go unnoticed. */
const PLANT_SEEDS_MAX = 30

for (const plant of CLUSTER_PLANTS) {
  test(`the simulation notices when ${plant.what}`, async () => {
    for (let seed = 1; seed <= PLANT_SEEDS_MAX; seed++) {
      try {
        await runClusterSimulation({ seed, plant })
      } catch (error) {
        if (!(error instanceof SafetyViolation)) throw error
        return
      }
    }
    assert.fail(`${plant.name} went unnoticed for ${PLANT_SEEDS_MAX} seeds`)
  })
}
