import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { CONNECT_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS } from './rpc-limits.ts'

/** What goes wrong on every link. A lost message is a lost connection, as over TCP. */
export interface LinkFaults {
  /** Chance per message that its call breaks with `unavailable`. */
  readonly lossRate: number
  readonly delayMinMs: number
  readonly delayMaxMs: number
}

/** What a FaultyLink looks at: FaultyNetwork. */
export interface FaultyLinkContext {
  readonly clock: Clock
  readonly random: Random
  readonly faults: LinkFaults
  isCut(from: string, to: string): boolean
  watch(callback: () => void): () => void
}

/** 'both': there and back must be open, as for a connection to be made or to stay. */
export type Direction = 'there' | 'back' | 'both'

/** How long a cut connection stays silent before its ends notice: as the real keepalive. */
const DETECTION_MS = KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS

/** The way from a host to an address. A host is what stands before the port. */
export class FaultyLink {
  readonly #context: FaultyLinkContext
  readonly #address: string
  readonly #from: string
  readonly #to: string

  constructor(context: FaultyLinkContext, from: string, address: string) {
    this.#context = context
    this.#address = address
    this.#from = from
    this.#to = address.slice(0, address.lastIndexOf(':'))
  }

  /** It does not leave the host: nothing happens to it. */
  get isInside(): boolean { return this.#from === this.#to || this.#address.startsWith('unix:') }

  /** Aborts `life` on the caller's signal, its deadline, or when a cut has lasted long enough to be noticed. @returns how to stop that */
  endings(life: AbortController, { signal, timeoutMs }: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {}): () => void {
    const { clock } = this.#context
    const onAbort = (): void => life.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const deadline = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () =>
      life.abort(new ShoalError('deadline-exceeded', 'deadline-exceeded', `${this.#address} did not answer in time`)))
    let detection = this.#isCut('both') ? clock.after(CONNECT_TIMEOUT_MS, () => life.abort(this.#lost())) : undefined
    const unwatch = this.#context.watch(() => {
      if (!this.#isCut('both')) {
        detection?.cancel()
        detection = undefined
      } else {
        detection ??= clock.after(DETECTION_MS, () => life.abort(this.#lost()))
      }
    })
    return () => {
      signal?.removeEventListener('abort', onAbort)
      deadline?.cancel()
      detection?.cancel()
      unwatch()
    }
  }

  /** One message's way: waits out a cut, then the delay, then perhaps the connection breaks. */
  async pass(life: AbortController, direction: 'there' | 'back'): Promise<void> {
    await this.open(life.signal, direction)
    const delayMs = this.delayMs()
    if (delayMs > 0) await this.#context.clock.sleep(delayMs, life.signal)
    this.arrive(life)
  }

  /** How long the next message takes. */
  delayMs(): number {
    const { random, faults } = this.#context
    return faults.delayMinMs + (faults.delayMaxMs - faults.delayMinMs) * random.next()
  }

  /** The end of one message's way: perhaps the connection breaks. */
  arrive(life: AbortController): void {
    const { random, faults } = this.#context
    if (faults.lossRate > 0 && random.next() < faults.lossRate) life.abort(this.#lost())
    life.signal.throwIfAborted()
  }

  /** Waits out a cut. */
  async open(signal: AbortSignal, direction: Direction): Promise<void> {
    while (this.#isCut(direction)) {
      signal.throwIfAborted()
      await new Promise<void>(resolve => {
        const done = (): void => {
          unwatch()
          signal.removeEventListener('abort', done)
          resolve()
        }
        const unwatch = this.#context.watch(done)
        signal.addEventListener('abort', done, { once: true })
      })
    }
    signal.throwIfAborted()
  }

  #isCut(direction: Direction): boolean {
    return (direction !== 'back' && this.#context.isCut(this.#from, this.#to)) || (direction !== 'there' && this.#context.isCut(this.#to, this.#from))
  }

  #lost(): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `${this.#address}: the connection was lost`) }
}
