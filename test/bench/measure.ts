import { readdirSync, readFileSync } from 'node:fs'

/** One measured value. Higher is better for "/s", lower for everything else. */
export interface Row { readonly name: string; readonly value: number; readonly unit: 'ms' | 'MiB' | '/s' | '% of a processor' }

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN
}

/** Runs `work` for every item, `width` at a time. */
export async function parallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) results.push(await work(next.value))
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}

/** Proportional set size of the processes whose command line matches: memory that would be free without them. */
export function memoryMiB(pattern: RegExp): number {
  let kib = 0
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      if (!pattern.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))) continue
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      continue // It ended meanwhile.
    }
  }
  return kib / 1024
}
