import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server, type Socket as Connection } from 'node:net'
import type { Clock } from '../../../src/base/clock.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { randomInt, type Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { answerLocally, failureReply, fitDatagram, parseQuery, type LocalNames } from './dns-answer.ts'
import { DnsForwarder, takeMessage, withLength } from './dns-forwarder.ts'
import { resolverTable } from './nft-rules.ts'

const ADDRESS = '127.0.0.11'
/** A container's program that keeps connections open without asking gets no more than this many. */
const CONNECTIONS_MAX = 64
const IDLE_MS = 10_000

interface Resolver { readonly udp: Socket; readonly tcp: Server; readonly connections: Set<Connection> }

/** Whom a container's questions go to. */
export interface ResolverView { readonly names: LocalNames; upstreams(): readonly string[] }

/** The resolver at 127.0.0.11 of every container: sockets in their namespaces, all served by this process. */
export class DnsServer implements AsyncDisposable {
  readonly #kernel: NetworkKernel
  readonly #random: Random
  readonly #logger: Logger
  readonly #forwarder: DnsForwarder
  readonly #resolvers = new Map<string, Resolver>()

  constructor(options: { readonly kernel: NetworkKernel; readonly clock: Clock; readonly random: Random; readonly logger: Logger }) {
    this.#kernel = options.kernel
    this.#random = options.random
    this.#logger = options.logger
    this.#forwarder = new DnsForwarder(options.clock)
  }

  isOpen(netns: string): boolean { return this.#resolvers.has(netns) }

  /** Opens the resolver of a namespace, or does nothing when it is open. `isAgain`: an earlier daemon's rules may be there. */
  async open(netns: string, view: ResolverView, isAgain: boolean): Promise<void> {
    if (this.#resolvers.has(netns)) return
    const udpSocket = this.#kernel.sockets.bind(netns, 'udp', ADDRESS, 0)
    const tcpSocket = this.#kernel.sockets.bind(netns, 'tcp', ADDRESS, 0)
    const resolver: Resolver = { udp: createSocket('udp4'), tcp: createServer(), connections: new Set() }
    this.#serveUdp(resolver.udp, view)
    this.#serveTcp(resolver, view)
    resolver.udp.bind({ fd: udpSocket.fd })
    resolver.tcp.listen({ fd: tcpSocket.fd })
    this.#resolvers.set(netns, resolver)
    await this.#kernel.nft.run(netns, resolverTable(udpSocket.port, tcpSocket.port, isAgain))
  }

  close(netns: string): void {
    const resolver = this.#resolvers.get(netns)
    if (resolver === undefined) return
    this.#resolvers.delete(netns)
    resolver.udp.close()
    resolver.tcp.close()
    for (const connection of resolver.connections) connection.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const netns of [...this.#resolvers.keys()]) this.close(netns)
  }

  #serveUdp(socket: Socket, view: ResolverView): void {
    socket.on('error', err => this.#logger.warn('a resolver socket failed', { err }))
    socket.on('message', (bytes, peer) => {
      this.#answer(bytes, view, 'udp').then(
        answer => { if (answer !== undefined) trySend(socket, answer, peer) },
        (err: unknown) => this.#logger.warn('a name question failed', { err }),
      )
    })
  }

  #serveTcp({ tcp, connections }: Resolver, view: ResolverView): void {
    tcp.maxConnections = CONNECTIONS_MAX
    tcp.on('error', err => this.#logger.warn('a resolver socket failed', { err }))
    tcp.on('connection', connection => {
      let received: Buffer = Buffer.alloc(0)
      connections.add(connection)
      connection.setTimeout(IDLE_MS, () => connection.destroy())
      connection.on('error', () => connection.destroy())
      connection.on('close', () => connections.delete(connection))
      connection.on('data', (bytes: Buffer) => {
        received = Buffer.concat([received, bytes])
        for (let next = takeMessage(received); next !== undefined; next = takeMessage(received)) {
          received = next.rest
          this.#answer(next.message, view, 'tcp').then(
            answer => { if (answer !== undefined && !connection.destroyed) connection.write(withLength(answer)) },
            (err: unknown) => this.#logger.warn('a name question failed', { err }),
          )
        }
      })
    })
  }

  async #answer(bytes: Buffer, view: ResolverView, protocol: 'tcp' | 'udp'): Promise<Buffer | undefined> {
    const query = parseQuery(bytes)
    if (query === undefined) return undefined
    const local = answerLocally(query, view.names, addresses => this.#shuffle(addresses))
    if (local !== undefined) return protocol === 'udp' ? fitDatagram(query, local) : local
    return await this.#forwarder.forward(bytes, view.upstreams(), protocol) ?? failureReply(query)
  }

  #shuffle(addresses: readonly string[]): readonly string[] {
    const shuffled = [...addresses]
    for (let at = shuffled.length - 1; at > 0; at -= 1) {
      const other = randomInt(this.#random, at + 1)
      const moved = shuffled[at] as string
      shuffled[at] = shuffled[other] as string
      shuffled[other] = moved
    }
    return shuffled
  }
}

/** The socket may have been closed while the answer was on its way. */
function trySend(socket: Socket, answer: Buffer, peer: { readonly port: number; readonly address: string }): void {
  try {
    socket.send(answer, peer.port, peer.address)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error
  }
}
