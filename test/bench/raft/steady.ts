import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { quantile } from '../measure.ts'
import type { LoopDelay } from './loop-delay.ts'
import { ManagerCluster } from './managers.ts'
import { pssMiB } from './memory.ts'

/** Each is written by one put at a time: when all are under way, the rate is not kept. */
const KEYS = 1024
const VALUE = 'v'.repeat(256)
/** After the start, before an idle manager's memory is read. */
const IDLE_MS = 20_000
const TURN_MS = 10
/** How often the leader's status is asked for: its answer waits as long as anything on its event loop does. */
const PROBE_MS = 20

/** Three managers take `rate` proposals a second for `durationMs`. @returns lines to print */
export async function measureSteady(folder: string, { rate, durationMs }: { readonly rate: number; readonly durationMs: number }): Promise<readonly string[]> {
  const work = mkdtempSync(join(folder, 'cluster-'))
  try {
    const preloaded = fileURLToPath(new URL('./loop-delay.js', import.meta.url))
    await using cluster = await ManagerCluster.start(work, 3, { nodeArgs: ['--import', preloaded], environment: { LOOP_DELAY_FOLDER: work } })
    await sleep(IDLE_MS)
    const idle = cluster.pids.map(pssMiB)
    await using writer = await cluster.writer(KEYS)
    const leader = await cluster.leader()
    const term = (await cluster.status(leader)).term
    const memory: number[][] = []
    const waits: number[] = []
    const done = new AbortController()
    const probing = (async () => {
      while (!done.signal.aborted) {
        const atMs = performance.now()
        await cluster.status(leader)
        waits.push(performance.now() - atMs)
        await sleep(PROBE_MS)
      }
    })()
    const latencies: number[] = []
    const underWay = new Set<Promise<void>>()
    const free = Array.from({ length: KEYS }, (_, key) => key)
    for (const pid of cluster.pids) process.kill(pid, 'SIGUSR2')
    const beganMs = performance.now()
    let begun = 0
    for (let nextSampleMs = 0; performance.now() - beganMs < durationMs; await sleep(TURN_MS)) {
      const passedMs = performance.now() - beganMs
      for (; begun < passedMs * rate / 1000 && free.length > 0; begun++) {
        const atMs = performance.now()
        const key = free.shift() as number
        const put = writer.put(key, VALUE).then(() => {
          latencies.push(performance.now() - atMs)
          free.push(key)
          underWay.delete(put)
        })
        underWay.add(put)
      }
      if (passedMs < nextSampleMs) continue
      memory.push(cluster.pids.map(pssMiB))
      nextSampleMs += durationMs / 10
    }
    const seconds = (performance.now() - beganMs) / 1000
    done.abort()
    await Promise.all([probing, ...underWay])
    const after = await cluster.status(await cluster.leader())
    const { pids } = cluster
    await cluster[Symbol.asyncDispose]()
    const delays = pids.map(pid => JSON.parse(readFileSync(join(work, `${pid}.json`), 'utf8')) as LoopDelay)
    const row = (values: readonly number[] | undefined): string => (values ?? []).map(value => value.toFixed(0)).join(' / ')
    return [
      `idle managers: ${row(idle)} MiB PSS`,
      `${(latencies.length / seconds).toFixed(0)} proposals/s answered for ${seconds.toFixed(0)} s (asked for: ${rate}); put p50 ${quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms`,
      `the leader's status, asked ${waits.length} times: p50 ${quantile(waits, 0.5).toFixed(1)} ms, p99 ${quantile(waits, 0.99).toFixed(1)} ms, max ${quantile(waits, 1).toFixed(1)} ms`,
      `event loops late by, ms, leader ${leader}: ${delays.map(({ p50, p99, max }, i) => `manager ${i} p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(0)}`).join('; ')}`,
      `elections: ${after.term - term}`,
      `memory in MiB PSS, from begin to end: ${memory.map(row).join(', ')}`,
    ]
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
