import { Channel } from '../../../src/base/channel.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { humanSize } from '../../../src/base/human-size.ts'

export type ProgressLine = Readonly<Record<string, unknown>>

/** A reader that falls behind loses figures, never lines that say what happened. Each line has some hundred bytes. */
const LINES_MAX = 100_000
/** dockerd tells of a running transfer as often. */
const FIGURE_INTERVAL_MS = 100
const BAR_WIDTH = 50
const SIZE_DIGITS = 4
const FIGURES_QUEUED_MAX = 64

/** What a pull or push tells its client while it works, in Docker's lines. */
export class Progress implements AsyncIterable<ProgressLine> {
  readonly #channel: Channel<ProgressLine>
  readonly #monotonicMs: () => number
  readonly #lastMs = new Map<string, number>()

  /** @param onGone called when the reader stops early */
  constructor(monotonicMs: () => number, onGone?: () => void) {
    this.#monotonicMs = monotonicMs
    this.#channel = new Channel(LINES_MAX, onGone)
  }

  message(status: string, id?: string): void { this.#channel.push(id === undefined ? { status } : { status, id }) }
  update(id: string, status: string): void { this.#channel.push({ status, progressDetail: {}, id }) }
  stream(text: string): void { this.#channel.push({ stream: text }) }
  aux(value: unknown): void { this.#channel.push({ progressDetail: {}, aux: value }) }

  /** How far something is. Figures that come too fast are left out, but for the last. */
  figure(id: string, status: string, current: number, total: number): void {
    const nowMs = this.#monotonicMs()
    const isDue = nowMs - (this.#lastMs.get(id) ?? -Infinity) >= FIGURE_INTERVAL_MS
    if (current < total && (!isDue || this.#channel.length > FIGURES_QUEUED_MAX)) return
    this.#lastMs.set(id, nowMs)
    this.#channel.push({ status, progressDetail: { current, ...(total > 0 ? { total } : {}) }, progress: progressBar(current, total), id })
  }

  /** A figure of something that has no id. */
  bar(status: string, current: number, total: number): void {
    const nowMs = this.#monotonicMs()
    if (current < total && nowMs - (this.#lastMs.get('') ?? -Infinity) < FIGURE_INTERVAL_MS) return
    this.#lastMs.set('', nowMs)
    this.#channel.push({ status, progressDetail: { current, ...(total > 0 ? { total } : {}) }, progress: progressBar(current, total) })
  }

  close(): void { this.#channel.close() }
  fail(error: unknown): void { this.#channel.fail(error) }
  [Symbol.asyncIterator](): AsyncIterator<ProgressLine> { return this.#channel[Symbol.asyncIterator]() }
}

/** Runs work whose lines the caller reads. It is told to stop when `signal` aborts or nobody reads on; its failure ends the lines. */
export function withProgress(monotonicMs: () => number, signal: AbortSignal | undefined, work: (progress: Progress, stop: AbortSignal) => Promise<void>): AsyncIterable<ProgressLine> {
  const gone = new AbortController()
  const stop = signal === undefined ? gone.signal : AbortSignal.any([signal, gone.signal])
  const progress = new Progress(monotonicMs, () => { gone.abort(new ShoalError('cancelled', 'client-gone', 'nobody waits for it any more')) })
  work(progress, stop).then(() => { progress.close() }, (error: unknown) => { progress.fail(error) })
  return progress
}

/** "[=====>       ]  1.2MB/12MB" */
export function progressBar(current: number, total: number): string {
  if (current <= 0 && total <= 0) return ''
  if (total <= 0) return humanSize(current, SIZE_DIGITS).padStart(8)
  const filled = Math.min(BAR_WIDTH, Math.floor(Math.floor(current / total * 100) / 2))
  const numbers = current > total ? humanSize(current, SIZE_DIGITS).padStart(8) : `${humanSize(current, SIZE_DIGITS).padStart(8)}/${humanSize(total, SIZE_DIGITS)}`
  return `[${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}] ${numbers}`
}

/** The first twelve digits of a digest, by which a layer is called in progress lines. */
export function shortDigest(digest: string): string { return digest.slice(7, 19) }
