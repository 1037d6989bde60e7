import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const SAMPLE_MS = 50

/** Proportional set size of a process, MiB. */
export function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
}

/** Memory that is the process's own, MiB: without pages of files, which the kernel takes back when it wants. Cheap enough to be sampled. */
export function anonymousMiB(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

/** The highest anonymousMiB() of each process while `work` goes on. Processes that do not exist yet count from when they do. */
export async function peakMemory<T>(pids: () => readonly number[], work: () => Promise<T>): Promise<{ readonly result: T; readonly peaks: readonly number[] }> {
  const peaks: number[] = []
  const done = new AbortController()
  const sampling = (async () => {
    while (!done.signal.aborted) {
      pids().forEach((pid, i) => { peaks[i] = Math.max(peaks[i] ?? 0, anonymousMiB(pid)) })
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
