import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'

/** UDP has no end: a client is forgotten once so many others have sent after it. */
const CLIENTS_MAX = 256

/** Passes datagrams to a bound socket on to another address, and the answers back. Owns the descriptor. */
export class UdpRelay {
  readonly #server: Socket
  readonly #target: { readonly address: string; readonly port: number }
  readonly #clients = new Map<string, Socket>()

  constructor(fd: number, target: { readonly address: string; readonly port: number }) {
    this.#target = target
    this.#server = createSocket('udp6')
    // What fails here fails its clients; there is nobody else to tell.
    this.#server.on('error', () => this.close())
    this.#server.on('message', (bytes, from) => this.#client(from).send(bytes, this.#target.port, this.#target.address))
    this.#server.bind({ fd })
  }

  close(): void {
    for (const key of [...this.#clients.keys()]) this.#forget(key)
    try {
      this.#server.close()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error
    }
  }

  #client(from: RemoteInfo): Socket {
    const key = `${from.address} ${from.port}`
    const known = this.#clients.get(key)
    const socket = known ?? this.#open(key, from)
    this.#clients.delete(key)
    this.#clients.set(key, socket)
    const [oldest = key] = this.#clients.keys()
    if (this.#clients.size > CLIENTS_MAX) this.#forget(oldest)
    return socket
  }

  #open(key: string, from: RemoteInfo): Socket {
    const socket = createSocket(this.#target.address.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', () => this.#forget(key))
    socket.on('message', (bytes, { port, address }) => { if (port === this.#target.port && address === this.#target.address) this.#server.send(bytes, from.port, from.address) })
    return socket
  }

  #forget(key: string): void {
    const socket = this.#clients.get(key)
    this.#clients.delete(key)
    socket?.close()
  }
}
