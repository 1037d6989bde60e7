import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parallel, timed } from '../measure.ts'
import { until } from './child.ts'
import { createConfig, ManagerCluster } from './managers.ts'
import { peakMemory, anonymousMiB } from './memory.ts'

const OBJECT_BYTES = 500_000
const CREATED_AT_ONCE = 4
const JOIN_TIMEOUT_MS = 300_000
/** After this a process has given back what it took for a moment, as far as it does. */
const SETTLE_MS = 5_000

/** A cluster of one manager with a state of `stateBytes` gets a second one. @returns lines to print */
export async function measureJoin(folder: string, stateBytes: number): Promise<readonly string[]> {
  const work = mkdtempSync(join(folder, 'cluster-'))
  try {
    await using cluster = await ManagerCluster.start(work, 1)
    const objects = Math.ceil(stateBytes / OBJECT_BYTES)
    const filled = await timed(async () => {
      await using caller = await cluster.caller()
      await parallel(Array.from({ length: objects }, (_, i) => i), CREATED_AT_ONCE, i => createConfig(caller, `large-${i}`, Buffer.alloc(OBJECT_BYTES, i)))
    })
    await sleep(SETTLE_MS)
    const [leader] = cluster.pids as [number]
    const before = { leader: anonymousMiB(leader), term: (await cluster.status(0)).term }
    const { result: joinedMs, peaks } = await peakMemory(() => cluster.pids, () => timed(async () => {
      await cluster.add(JOIN_TIMEOUT_MS)
      await until('the new manager has all', JOIN_TIMEOUT_MS, async () => (await cluster.status(1)).appliedIndex >= (await cluster.status(0)).appliedIndex ? true : undefined)
    }))
    await sleep(SETTLE_MS)
    const after = { joiner: anonymousMiB(cluster.pids[1] as number), term: (await cluster.status(0)).term }
    const mib = (value: number | undefined): string => (value ?? NaN).toFixed(0)
    return [
      `state: ${objects} configs of ${OBJECT_BYTES / 1000} kB, created in ${(filled / 1000).toFixed(1)} s`,
      `a new manager is a voter with all of it after ${(joinedMs / 1000).toFixed(1)} s`,
      `leader: ${mib(before.leader)} MiB before, at most ${mib(peaks[0])} MiB meanwhile: ${mib((peaks[0] ?? 0) - before.leader)} MiB extra`,
      `joiner: at most ${mib(peaks[1])} MiB meanwhile, ${mib(after.joiner)} MiB afterwards: ${mib((peaks[1] ?? 0) - before.leader)} MiB more than the leader with the same state had before`,
      'memory: the processes\' own (RssAnon), sampled every 50 ms',
      `elections meanwhile: ${after.term - before.term}`,
    ]
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
