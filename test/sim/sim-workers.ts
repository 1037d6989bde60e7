import { Worker } from 'node:worker_threads'
import { addEvents } from './sim-events.ts'
import type { SimBatch, SimBatchResult } from './sim-batch.ts'

/** Seeds whose results are reported together. */
const CHUNK_SEEDS = { core: 500, cluster: 5 }

export type OnProgress = (sum: SimBatchResult) => void

/**
 * Runs the batch's seeds in `workers` threads; worker w takes every `workers`-th. What is run depends on the batch and the number of workers alone,
 * never on time: each worker stops when it has made its share of stepsMax.
 */
export async function runInWorkers(batch: SimBatch, workers: number, onProgress: OnProgress = () => {}): Promise<SimBatchResult> {
  let sum: SimBatchResult = { seeds: 0, steps: 0, failures: [], events: {} }
  const add = ({ seeds, steps, failures, events }: SimBatchResult): void => {
    sum = { seeds: sum.seeds + seeds, steps: sum.steps + steps, failures: [...sum.failures, ...failures], events: addEvents(sum.events, events) }
    onProgress(sum)
  }
  await Promise.all(Array.from({ length: workers }, async (_, i) => runWorker({
    ...batch, from: batch.from + i, stride: workers, count: Math.ceil((batch.count - i) / workers), ...(batch.stepsMax === undefined ? {} : { stepsMax: batch.stepsMax / workers }),
  }, add)))
  return { ...sum, failures: [...sum.failures].sort((a, b) => a.seed - b.seed) }
}

async function runWorker(batch: SimBatch, onChunk: OnProgress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const worker = new Worker(new URL('sim-worker-main.js', import.meta.url), { workerData: { batch, chunkSeeds: CHUNK_SEEDS[batch.rung] } })
    worker.on('message', onChunk)
    worker.on('error', reject)
    worker.on('exit', code => { if (code === 0) resolve(); else reject(new Error(`a worker of the simulator ended with status ${code}`)) })
  })
}
