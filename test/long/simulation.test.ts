import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runClusterSimulation } from '../sim/cluster/cluster-simulation.ts'
import { runCoreSimulation } from '../sim/core/core-simulation.ts'

/** Other seeds than the short run's, so that the two together know more. */
const FROM = 100_000
/** As many seeds as fit; test/sim/main.ts takes a number instead. */
const CORE_MS = 30_000
const CLUSTER_MS = 90_000
const FAULTY_MS = 60_000

test('as many seeds of the Raft core as fit into half a minute keep all promises', async () => {
  assert.deepEqual(await failuresWithin(CORE_MS, 'core', async seed => runCoreSimulation({ seed, steps: 5000 })), [])
})

test('as many seeds of a whole cluster as fit into a minute and a half keep all promises and settle', async () => {
  assert.deepEqual(await failuresWithin(CLUSTER_MS, `cluster --faulty ${FAULTY_MS / 1000}`, seed => runClusterSimulation({ seed, faultyMs: FAULTY_MS })), [])
})

async function failuresWithin(limitMs: number, rung: string, run: (seed: number) => Promise<unknown>): Promise<string[]> {
  const failures: string[] = []
  const endMs = performance.now() + limitMs
  for (let seed = FROM; performance.now() < endMs; seed++) {
    try {
      await run(seed)
    } catch (error) {
      failures.push(`node dist/test/sim/main.js --from ${seed} --seeds 1 --rung ${rung}: ${String(error)}`)
    }
  }
  return failures
}
