import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInWorkers } from '../sim/sim-workers.ts'
import type { SimBatch } from '../sim/sim-batch.ts'

/** Other seeds than the short run's, so that the two together know more. Always the same: what fails here fails everywhere. */
const FROM = 100_000
const WORKERS = 2
const CORE_SEEDS = 9000
/** Of all of them together: what the project promises to make each time. */
const CORE_STEPS_MIN = 60_000_000
const CLUSTER_SEEDS = 40
const FAULTY_MS = 60_000

test(`${CORE_SEEDS} seeds of the Raft core keep all promises for ${CORE_STEPS_MIN / 1e6} million steps`, async t => {
  const steps = await run({ rung: 'core', from: FROM, count: CORE_SEEDS }, '--rung core')
  t.diagnostic(`${steps} steps`)
  assert.ok(steps >= CORE_STEPS_MIN, `only ${steps} steps`)
})

test(`${CLUSTER_SEEDS} seeds of a whole cluster keep all promises and settle`, async () => {
  await run({ rung: 'cluster', from: FROM, count: CLUSTER_SEEDS, faultyMs: FAULTY_MS }, `--rung cluster --faulty ${FAULTY_MS / 1000}`)
})

async function run(batch: SimBatch, flags: string): Promise<number> {
  const { steps, seeds, failures } = await runInWorkers(batch, WORKERS)
  assert.deepEqual(failures.map(({ seed, message }) => `node dist/test/sim/main.js ${flags} --seeds 1 --log --from ${seed}: ${message}`), [])
  assert.equal(seeds, batch.count)
  return steps
}
