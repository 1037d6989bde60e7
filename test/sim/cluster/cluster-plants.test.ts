import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SafetyViolation } from '../core/core-invariants.ts'
import { CLUSTER_PLANTS } from './cluster-plants.ts'
import { runClusterSimulation } from './cluster-simulation.ts'

/** A bug that these seeds don't show would go unnoticed. */
const PLANT_SEEDS_MAX = 30

for (const { name, what, seams } of CLUSTER_PLANTS) {
  test(`the simulation notices when ${what}`, async () => {
    for (let seed = 1; seed <= PLANT_SEEDS_MAX; seed++) {
      try {
        await runClusterSimulation({ seed, seams })
      } catch (error) {
        if (!(error instanceof SafetyViolation)) throw error
        return
      }
    }
    assert.fail(`${name} went unnoticed for ${PLANT_SEEDS_MAX} seeds`)
  })
}
