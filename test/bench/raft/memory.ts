import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const SAMPLE_MS = 50

/** Proportional set size of a process, MiB. */
export function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
}

/** Resident memory, MiB: cheap enough to be sampled. */
export function rssMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

/** The highest resident memory of each process while `work` goes on. Processes that do not exist yet count from when they do. */
export async function peakRss<T>(pids: () => readonly number[], work: () => Promise<T>): Promise<{ readonly result: T; readonly peaks: readonly number[] }> {
  const peaks: number[] = []
  const done = new AbortController()
  const sampling = (async () => {
    while (!done.signal.aborted) {
      pids().forEach((pid, i) => { peaks[i] = Math.max(peaks[i] ?? 0, rssMiB(pid)) })
      await sleep(SAMPLE_MS)
    }
  })()
  try {
    return { result: await work(), peaks }
  } finally {
    done.abort()
    await sampling
  }
}
