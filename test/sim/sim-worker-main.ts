/** A thread of the simulator: runs its batch in chunks and tells of each. */
import { parentPort, workerData } from 'node:worker_threads'
import { runBatch, type SimBatch } from './sim-batch.ts'

const { batch, chunkSeeds } = workerData as { readonly batch: SimBatch; readonly chunkSeeds: number }
// What the core refuses is thrown, often; nobody reads those stacks.
Error.stackTraceLimit = batch.isVerbose === true ? Error.stackTraceLimit : 0

const stride = batch.stride ?? 1
let steps = 0
for (let done = 0; done < batch.count && steps < (batch.stepsMax ?? Infinity);) {
  const result = await runBatch({ ...batch, from: batch.from + done * stride, count: Math.min(chunkSeeds, batch.count - done), stepsMax: (batch.stepsMax ?? Infinity) - steps })
  parentPort?.postMessage(result)
  done += result.seeds
  steps += result.steps
  if (batch.isStoppedByFailure === true && result.failures.length > 0) break
}
