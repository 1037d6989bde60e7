import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from '../measure.ts'
import { ManagerCluster } from './managers.ts'

const KEYS = 64
const VALUE = 'v'.repeat(256)
/** A follower is away, and there, for so long each time: around the election timeout of one to two seconds. */
const PHASE_MIN_MS = 1_000
const PHASE_MAX_MS = 3_000
const WRITE_EVERY_MS = 20
/** After the last flap, for an election that it would have caused. */
const SETTLE_MS = 5_000

/** One follower of three managers stops and goes on (SIGSTOP, SIGCONT), again and again, while there are writes. @returns lines to print */
export async function measureFlapping(folder: string, { durationMs }: { readonly durationMs: number }): Promise<readonly string[]> {
  const work = mkdtempSync(join(folder, 'cluster-'))
  try {
    await using cluster = await ManagerCluster.start(work, 3)
    await using writer = await cluster.writer(KEYS)
    const leader = await cluster.leader()
    const follower = (leader + 1) % 3
    const term = (await cluster.status(leader)).term
    const latencies: number[] = []
    const done = new AbortController()
    const writing = (async () => {
      for (let key = 0; !done.signal.aborted; key = (key + 1) % KEYS) {
        const atMs = performance.now()
        await writer.put(key, VALUE)
        latencies.push(performance.now() - atMs)
        await sleep(WRITE_EVERY_MS)
      }
    })()
    let flaps = 0
    for (const endMs = performance.now() + durationMs; performance.now() < endMs; flaps++) {
      const pid = cluster.pids[follower] as number
      process.kill(pid, 'SIGSTOP')
      try {
        await sleep(phaseMs())
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await sleep(phaseMs())
    }
    await sleep(SETTLE_MS)
    done.abort()
    await writing
    const terms = (await Promise.all([0, 1, 2].map(i => cluster.status(i)))).map(status => status.term)
    return [
      `a follower stopped and went on ${flaps} times in ${(durationMs / 60_000).toFixed(1)} min, ${PHASE_MIN_MS / 1000} to ${PHASE_MAX_MS / 1000} s each way`,
      `elections: ${Math.max(...terms) - term} (terms of the three: ${terms.join(', ')}; ${term} before)`,
      `${latencies.length} writes meanwhile, all accepted: p50 ${quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms, max ${quantile(latencies, 1).toFixed(0)} ms`,
    ]
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function phaseMs(): number { return PHASE_MIN_MS + Math.random() * (PHASE_MAX_MS - PHASE_MIN_MS) }
