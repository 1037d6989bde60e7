import { connect, createServer, type Server, type Socket } from 'node:net'

/** More at once wait in the kernel's queue. */
const CONNECTIONS_MAX = 1024

/** Passes what comes to a bound socket on to another address, each direction until its end. Owns the descriptor. */
export class TcpRelay {
  readonly #server: Server
  readonly #connections = new Set<Socket>()

  constructor(fd: number, target: { readonly address: string; readonly port: number }) {
    this.#server = createServer({ allowHalfOpen: true }, inner => this.#relay(inner, target))
    this.#server.maxConnections = CONNECTIONS_MAX
    // What fails here fails its clients; there is nobody else to tell.
    this.#server.on('error', () => this.close())
    this.#server.listen({ fd })
  }

  close(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.destroy()
  }

  #relay(inner: Socket, { address, port }: { readonly address: string; readonly port: number }): void {
    const outer = connect({ host: address, port, allowHalfOpen: true })
    for (const [one, other] of [[inner, outer], [outer, inner]] as const) {
      this.#connections.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#connections.delete(one)
        // A reset is passed on; after an orderly end the other direction may go on.
        if (one.destroyed && !one.readableEnded) other.destroy()
      })
      one.pipe(other)
    }
  }
}
