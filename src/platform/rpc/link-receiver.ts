import { rm } from 'node:fs/promises'
import net from 'node:net'
import { ShoalError } from '../../base/errors.ts'
import type { FrameLinkHandler } from '../../base/frame-link.ts'
import type { Logger } from '../../base/logger.ts'
import { linkPathOf } from './rpc-address.ts'
import { listen } from './listen.ts'
import { SocketLink } from './socket-link.ts'

/** The receiving side of links: LinkSocket is the other one. Whatever comes over a link ends at most that one. */
export class LinkReceiver implements Disposable {
  readonly #handler: FrameLinkHandler
  readonly #logger: Logger
  readonly #servers: net.Server[] = []
  readonly #sockets = new Set<net.Socket>()
  readonly #gone = new ShoalError('cancelled', 'cancelled', 'the caller went away')

  constructor(options: { readonly handler: FrameLinkHandler; readonly logger: Logger }) {
    this.#handler = options.handler
    this.#logger = options.logger
  }

  /** @param path of the socket for calls: links have theirs beside it */
  async listen(path: string): Promise<void> {
    const linkPath = linkPathOf(path)
    await rm(linkPath, { force: true })
    const server = net.createServer(socket => this.#receive(socket))
    await listen(server, { path: linkPath }, `unix:${linkPath}`, err => this.#logger.error('accepting a connection failed', { address: linkPath, err }))
    this.#servers.push(server)
  }

  /** Ends all links. */
  [Symbol.dispose](): void {
    for (const server of this.#servers.splice(0)) server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #receive(socket: net.Socket): void {
    const abort = new AbortController()
    const link = new SocketLink(socket)
    const side = this.#handler(link, { identity: undefined, remoteAddress: 'local', isLocal: true, signal: abort.signal, metadata: {} })
    link.read({
      frameBytesMax: side.frameBytesMax, onSign: () => link.sendSign(), onFrame: frame => side.onFrame(frame), onRoom: () => side.onReady(),
      onSenseless: err => {
        if (err instanceof ShoalError) this.#logger.debug('ended a link: what came makes no sense', { err })
        else this.#logger.error('handler of a link failed', { err })
        socket.destroy()
      },
    })
    socket.on('error', err => this.#logger.debug('a link broke', { err }))
    socket.on('close', () => {
      this.#sockets.delete(socket)
      abort.abort(this.#gone)
      if (!link.isOver) side.onClosed(this.#gone)
    })
    this.#sockets.add(socket)
    // Whoever connected knows by this that the process is there, and not only the kernel's queue for it.
    link.sendSign()
  }
}
