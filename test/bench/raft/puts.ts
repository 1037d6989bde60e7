import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { quantile } from '../measure.ts'
import { Etcd } from './etcd.ts'
import { ManagerCluster } from './managers.ts'
import type { Subject, Writer } from './subject.ts'

const KEYS = 1024
const VALUE = 'v'.repeat(256)
const WARM_UP_MS = 250
/** Before the first measurement, with each number of clients: servers run for months, so their compilers are done, also with what only a lone client makes them do. */
const FIRST_WARM_UP_MS = 15_000

/** What one subject did with so many clients. */
export interface Figures { readonly rate: number; readonly p50: number; readonly p99: number }

export interface PutLine {
  readonly nodes: number
  readonly clients: number
  readonly shoal: Figures
  readonly etcd: Figures
  /** Shoal's by etcd's. */
  readonly ratio: Figures
}

export interface PutOptions { readonly nodes: readonly number[]; readonly clients: readonly number[]; readonly rounds: number; readonly measureMs: number; readonly folder: string; readonly profile: string | undefined }

/** Both clusters are up, one works at a time, in turn; of the rounds the median of each figure counts, and of each round's ratio: what lies a second apart was measured on the same machine. */
export async function comparePuts({ nodes, clients, rounds, measureMs, folder, profile }: PutOptions): Promise<readonly PutLine[]> {
  const lines: PutLine[] = []
  for (const count of nodes) {
    const work = mkdtempSync(join(folder, 'cluster-'))
    try {
      await using etcd = await Etcd.start(work, count)
      await using shoal = await ManagerCluster.start(work, count, profile === undefined ? {} : { nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${profile}`] })
      const subjects: readonly Subject[] = [etcd, shoal]
      const writers = await Promise.all(subjects.map(subject => subject.writer(KEYS)))
      for (const writer of writers) for (const width of clients) await load(writer, width, FIRST_WARM_UP_MS)
      for (const width of clients) {
        const figures: Record<string, Figures[]> = { etcd: [], shoal: [] }
        for (let round = 0; round < rounds; round++) {
          for (const [i, subject] of subjects.entries()) {
            await load(writers[i] as Writer, width, WARM_UP_MS)
            figures[subject.name]?.push(await load(writers[i] as Writer, width, measureMs))
          }
        }
        const { shoal: ours = [], etcd: theirs = [] } = figures
        const ratios = ours.map((each, round) => ratioOf(each, theirs[round] as Figures))
        lines.push({ nodes: count, clients: width, shoal: medians(ours), etcd: medians(theirs), ratio: medians(ratios) })
      }
      for (const writer of writers) await writer[Symbol.asyncDispose]()
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }
  return lines
}

/** So many clients, each with keys of its own, each putting again as soon as it was answered. */
export async function load(writer: Writer, clients: number, durationMs: number): Promise<Figures> {
  const latencies: number[] = []
  const beganMs = performance.now()
  const endMs = beganMs + durationMs
  const client = async (number: number): Promise<void> => {
    for (let key = number; performance.now() < endMs; key = (key + clients) % KEYS) {
      const atMs = performance.now()
      await writer.put(key, VALUE)
      latencies.push(performance.now() - atMs)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  return { rate: latencies.length / (performance.now() - beganMs) * 1000, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) }
}

function ratioOf(a: Figures, b: Figures): Figures { return { rate: a.rate / b.rate, p50: a.p50 / b.p50, p99: a.p99 / b.p99 } }

function medians(figures: readonly Figures[]): Figures {
  const median = (of: (each: Figures) => number): number => quantile(figures.map(of), 0.5)
  return { rate: median(each => each.rate), p50: median(each => each.p50), p99: median(each => each.p99) }
}
