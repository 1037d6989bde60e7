/**
 * Preloaded into a manager (node --import): how late its event loop is. SIGUSR2 begins the measurement anew; at its end the process writes LoopDelay as JSON
 * into the folder that LOOP_DELAY_FOLDER names, as PID.json. The log's thread, which loads it too, is left alone.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 5
const NS_PER_MS = 1e6

/** Milliseconds by which a timer came later than it was due. */
export interface LoopDelay { readonly p50: number; readonly p99: number; readonly max: number }

if (isMainThread) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  process.on('SIGUSR2', () => histogram.reset())
  process.once('exit', () => {
    // The histogram holds what lies between two of its timers, their interval included.
    const late = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS)
    const delay: LoopDelay = { p50: late(histogram.percentile(50)), p99: late(histogram.percentile(99)), max: late(histogram.max) }
    writeFileSync(join(process.env.LOOP_DELAY_FOLDER ?? '.', `${process.pid}.json`), JSON.stringify(delay))
  })
}
