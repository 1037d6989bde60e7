import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runClusterSimulation } from '../sim/cluster/cluster-simulation.ts'
import { runCoreSimulation } from '../sim/core/core-simulation.ts'

/** Other seeds than the short run's, so that the two together know more. */
const FROM = 100_000
const CORE_SEEDS = 10_000
const CLUSTER_SEEDS = 300
const FAULTY_MS = 60_000

test(`${CORE_SEEDS} seeds of the Raft core keep all promises`, () => {
  const failures: string[] = []
  for (let seed = FROM; seed < FROM + CORE_SEEDS; seed++) {
    try {
      runCoreSimulation({ seed, steps: 5000 })
    } catch (error) {
      failures.push(`node dist/test/sim/main.js --rung core --from ${seed} --seeds 1: ${String(error)}`)
    }
  }
  assert.deepEqual(failures, [])
})

test(`${CLUSTER_SEEDS} seeds of a whole cluster keep all promises and settle`, async () => {
  const failures: string[] = []
  for (let seed = FROM; seed < FROM + CLUSTER_SEEDS; seed++) {
    try {
      await runClusterSimulation({ seed, faultyMs: FAULTY_MS })
    } catch (error) {
      failures.push(`node dist/test/sim/main.js --rung cluster --from ${seed} --seeds 1 --faulty ${FAULTY_MS / 1000}: ${String(error)}`)
    }
  }
  assert.deepEqual(failures, [])
})
