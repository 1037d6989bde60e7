import type { Clock } from '../../../src/base/clock.ts'
import type { FrameLinkServer } from '../../../src/base/frame-link.ts'
import type { MessageChannel, MessageChannelEvents, MessageDialer, MessageServer } from '../../../src/base/message-channel.ts'
import type { Random } from '../../../src/base/random.ts'
import type { RpcCallOptions, RpcClient, RpcIdentity, RpcMethod, RpcServer } from '../../../src/base/rpc.ts'
import type { FaultyNetwork } from '../../../src/platform/rpc/faulty-network.ts'
import type { MemoryNetwork } from '../../../src/platform/rpc/memory-rpc.ts'
import type { SimEvents } from '../sim-events.ts'
import { ProcessClock, type HostTime, type SimClock } from './sim-clock.ts'

/** What all processes of one simulated world share. */
export interface SimWorld {
  readonly clock: SimClock
  readonly random: Random
  readonly network: MemoryNetwork
  readonly faults: FaultyNetwork
  readonly clusterId: string
  readonly events: SimEvents
}

/** One run of a process on a host, from start to kill(). After that nothing it does is seen any more: its time stands still and its calls hang. */
export class SimProcess {
  readonly #clock: ProcessClock
  readonly #world: SimWorld
  readonly #dialer: MessageDialer
  readonly #clients = new Set<RpcClient>()
  readonly #servers: RpcServer[] = []
  readonly #channels = new Set<MessageChannel>()
  #isDead = false

  constructor(world: SimWorld, { host, time, identity }: { readonly host: string; readonly time: HostTime; readonly identity: RpcIdentity }) {
    this.#world = world
    this.#clock = new ProcessClock(world.clock, time)
    this.#dialer = world.faults.wrap(world.network.createDialer({ identity, remoteAddress: host }), host)
  }

  get clock(): Clock { return this.#clock }
  get random(): Random { return this.#world.random }
  get isDead(): boolean { return this.#isDead }
  get dialer(): MessageDialer { return { dial: address => this.#dial(address), openMessages: (...wanted) => this.#openMessages(...wanted) } }

  createServer(): MessageServer & FrameLinkServer {
    const server = this.#world.network.createServer()
    this.#servers.push(server)
    return server
  }

  /** The process stops at this instant; its peers notice that its connections are gone. */
  async kill(): Promise<void> {
    this.#isDead = true
    this.#clock.kill()
    for (const channel of this.#channels) channel[Symbol.dispose]()
    await Promise.all([...this.#servers, ...this.#clients].map(each => each[Symbol.asyncDispose]()))
  }

  #openMessages(address: string, path: string, events: MessageChannelEvents): MessageChannel {
    if (this.#isDead) return NO_CHANNEL
    const inner = this.#dialer.openMessages(address, path, events)
    this.#channels.add(inner)
    return {
      send: message => this.#isDead || inner.send(message),
      [Symbol.dispose]: () => {
        this.#channels.delete(inner)
        inner[Symbol.dispose]()
      },
    }
  }

  #dial(address: string): RpcClient {
    const inner = this.#dialer.dial(address)
    this.#clients.add(inner)
    const alive = async (): Promise<void> => { if (this.#isDead) await forever() }
    return {
      address,
      async unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options?: RpcCallOptions): Promise<Res> {
        await alive()
        return inner.unary(method, request, options)
      },
      async *stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncGenerator<Res, void, undefined> {
        await alive()
        yield* inner.stream(method, requests, options)
      },
      [Symbol.asyncDispose]: async () => {
        this.#clients.delete(inner)
        await inner[Symbol.asyncDispose]()
      },
    }
  }
}

/** Each its own, so that what waits for it can be collected. */
async function forever(): Promise<never> { return new Promise<never>(() => {}) }

/** What a dead process opens: nothing comes of it. */
const NO_CHANNEL: MessageChannel = { send: () => true, [Symbol.dispose]: () => {} }
