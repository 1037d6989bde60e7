import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { MessageDialer } from '../../base/message-channel.ts'
import type { Random } from '../../base/random.ts'
import { streamOf, UNARY_TIMEOUT_MS, type RpcCallOptions, type RpcClient, type RpcMethod } from '../../base/rpc.ts'
import { FaultyLink, type FaultyLinkContext, type LinkFaults } from './faulty-link.ts'
import { FaultyChannel } from './faulty-messages.ts'

/** Faults between hosts, seeded: wraps dialers so that calls are delayed, lost and partitioned, one way or both. */
export class FaultyNetwork implements FaultyLinkContext {
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
  wrap(dialer: MessageDialer, host: string): MessageDialer {
    return {
      dial: address => new FaultyClient(new FaultyLink(this, host, address), dialer.dial(address)),
      openMessages: (address, path, events) => {
        const link = new FaultyLink(this, host, address)
        return link.isInside ? dialer.openMessages(address, path, events) : new FaultyChannel({ link, clock: this.clock, events, open: inner => dialer.openMessages(address, path, inner) })
      },
    }
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

class FaultyClient implements RpcClient {
  readonly address: string
  readonly #link: FaultyLink
  readonly #inner: RpcClient

  constructor(link: FaultyLink, inner: RpcClient) {
    this.address = inner.address
    this.#link = link
    this.#inner = inner
  }

  async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions = {}): Promise<Res> {
    for await (const response of this.stream(method, streamOf(request), { timeoutMs: UNARY_TIMEOUT_MS, ...options })) return response
    throw new ShoalError('internal', 'no-response', `${this.address} ended ${method.path} without an answer`)
  }

  async *stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options: RpcCallOptions = {}): AsyncGenerator<Res, void, undefined> {
    if (this.#link.isInside) return yield* this.#inner.stream(method, requests, options)
    options.signal?.throwIfAborted()
    const life = new AbortController()
    const stop = this.#link.endings(life, options)
    try {
      await this.#link.open(life.signal, 'both')
      const sent = this.#delayed(requests, life)
      for await (const response of this.#inner.stream(method, sent, { metadata: options.metadata, signal: life.signal })) {
        await this.#link.pass(life, 'back')
        yield response
      }
    } finally {
      stop()
      life.abort(new ShoalError('cancelled', 'cancelled', 'the call is over'))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#inner[Symbol.asyncDispose]() }

  async *#delayed<T>(values: AsyncIterable<T>, life: AbortController): AsyncIterable<T> {
    for await (const value of values) {
      await this.#link.pass(life, 'there')
      yield value
    }
  }
}
