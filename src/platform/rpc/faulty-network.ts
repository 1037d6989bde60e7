import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { streamOf, UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcDialer, type RpcMethod } from '../../base/rpc.ts'
import { CONNECT_TIMEOUT_MS, KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS } from './rpc-limits.ts'

/** What goes wrong on every link. A lost message is a lost connection, as over TCP. */
export interface LinkFaults {
  /** Chance per message that its call breaks with `unavailable`. */
  readonly lossRate: number
  readonly delayMinMs: number
  readonly delayMaxMs: number
}

/** How long a cut connection stays silent before its ends notice: as the real keepalive. */
const DETECTION_MS = KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS

/** Faults between hosts, seeded: wraps dialers so that calls are delayed, lost and partitioned, one way or both. A host is what stands before the port of an address. */
export class FaultyNetwork {
  readonly clock: Clock
  readonly random: Random
  faults: LinkFaults = { lossRate: 0, delayMinMs: 0, delayMaxMs: 0 }
  /** Directions in which nothing passes, see way(). */
  readonly #cuts = new Set<string>()
  readonly #stopped = new Set<string>()
  readonly #watchers = new Set<() => void>()

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.clock = options.clock
    this.random = options.random
  }

  /** A dialer as used on `host`. */
  wrap(dialer: RpcDialer, host: string): RpcDialer {
    return { dial: address => new FaultyClient(this, host, dialer.dial(address)) }
  }

  /** Nothing passes between the two, either way. */
  cut(a: string, b: string): void { this.#change(() => this.#cuts.add(way(a, b)).add(way(b, a))) }
  /** What `from` sends does not reach `to`; the other way all passes, but for new connections. */
  cutOneWay(from: string, to: string): void { this.#change(() => this.#cuts.add(way(from, to))) }
  heal(a: string, b: string): void { this.#change(() => { for (const each of [way(a, b), way(b, a)]) this.#cuts.delete(each) }) }
  /** All cuts end; hosts that are stopped stay so. */
  healAll(): void { this.#change(() => this.#cuts.clear()) }
  /** Cuts every link between different groups. */
  partition(groups: readonly (readonly string[])[]): void {
    const pairs = groups.flatMap((group, i) => groups.slice(i + 1).flatMap(other => group.flatMap(a => other.map(b => [a, b] as const))))
    this.#change(() => { for (const [a, b] of pairs) this.#cuts.add(way(a, b)).add(way(b, a)) })
  }

  /** The host's processes are stopped, as by SIGSTOP: they send nothing, and what is sent to them waits. */
  stop(host: string): void { this.#change(() => this.#stopped.add(host)) }
  goOn(host: string): void { this.#change(() => this.#stopped.delete(host)) }

  /** Whether what `from` sends does not reach `to` now. */
  isCut(from: string, to: string): boolean { return this.#cuts.has(way(from, to)) || this.#stopped.has(from) || this.#stopped.has(to) }

  /** Calls back at each cut or heal; returns how to stop. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback)
    return () => this.#watchers.delete(callback)
  }

  #change(edit: () => void): void {
    edit()
    for (const watcher of [...this.#watchers]) watcher()
  }
}

function way(from: string, to: string): string { return `${from}>${to}` }

type Direction = 'there' | 'back' | 'both'

class FaultyClient implements RpcClient {
  readonly address: string
  readonly #network: FaultyNetwork
  readonly #from: string
  readonly #to: string
  readonly #inner: RpcClient

  constructor(network: FaultyNetwork, from: string, inner: RpcClient) {
    this.address = inner.address
    this.#network = network
    this.#from = from
    this.#to = inner.address.slice(0, inner.address.lastIndexOf(':'))
    this.#inner = inner
  }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    for await (const response of this.stream(method, streamOf(request), { timeoutMs: UNARY_TIMEOUT_MS, ...options })) return response
    throw new ShoalError('internal', 'no-response', `${this.address} ended ${method.path} without an answer`)
  }

  async *stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options: RpcCallOptions = {}): AsyncGenerator<Res, void, undefined> {
    if (this.#from === this.#to || this.address.startsWith('unix:')) return yield* this.#inner.stream(method, requests, options)
    options.signal?.throwIfAborted()
    const life = new AbortController()
    const stop = this.#endings(life, options)
    try {
      await this.#open(life.signal, 'both')
      const sent = this.#delayed(requests, life)
      for await (const response of this.#inner.stream(method, sent, { metadata: options.metadata, signal: life.signal })) {
        await this.#pass(life, 'back')
        yield response
      }
    } finally {
      stop()
      life.abort(new ShoalError('cancelled', 'cancelled', 'the call is over'))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#inner[Symbol.asyncDispose]() }

  /** Aborts `life` on the caller's signal, its deadline, or when a cut has lasted long enough to be noticed. */
  #endings(life: AbortController, { signal, timeoutMs }: RpcCallOptions): () => void {
    const { clock } = this.#network
    const onAbort = (): void => life.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const deadline = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () =>
      life.abort(new ShoalError('deadline-exceeded', 'deadline-exceeded', `${this.address} did not answer in time`)))
    let detection = this.#isCut('both') ? clock.after(CONNECT_TIMEOUT_MS, () => life.abort(this.#lost())) : undefined
    const unwatch = this.#network.watch(() => {
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

  async *#delayed<T>(values: AsyncIterable<T>, life: AbortController): AsyncIterable<T> {
    for await (const value of values) {
      await this.#pass(life, 'there')
      yield value
    }
  }

  /** One message's way: waits out a cut, then the delay, then perhaps the connection breaks. */
  async #pass(life: AbortController, direction: 'there' | 'back'): Promise<void> {
    await this.#open(life.signal, direction)
    const { clock, random, faults } = this.#network
    const delayMs = faults.delayMinMs + (faults.delayMaxMs - faults.delayMinMs) * random.next()
    if (delayMs > 0) await clock.sleep(delayMs, life.signal)
    if (faults.lossRate > 0 && random.next() < faults.lossRate) life.abort(this.#lost())
    life.signal.throwIfAborted()
  }

  async #open(signal: AbortSignal, direction: Direction): Promise<void> {
    while (this.#isCut(direction)) {
      signal.throwIfAborted()
      await new Promise<void>(resolve => {
        const done = (): void => {
          unwatch()
          signal.removeEventListener('abort', done)
          resolve()
        }
        const unwatch = this.#network.watch(done)
        signal.addEventListener('abort', done, { once: true })
      })
    }
    signal.throwIfAborted()
  }

  /** 'both': there and back must be open, as for a connection to be made or to stay. */
  #isCut(direction: Direction): boolean {
    return (direction !== 'back' && this.#network.isCut(this.#from, this.#to)) || (direction !== 'there' && this.#network.isCut(this.#to, this.#from))
  }

  #lost(): ShoalError { return new ShoalError('unavailable', 'rpc-unavailable', `${this.address}: the connection was lost`) }
}
