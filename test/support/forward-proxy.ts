import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** An HTTP proxy on loopback that tunnels (CONNECT) to one host alone, which it finds at a port of this machine. */
export class ForwardProxy implements AsyncDisposable {
  /** "host:port" of each tunnel that was asked for. */
  readonly targets: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()

  private constructor(host: string, port: number) {
    this.#server = createServer((_, response) => { response.writeHead(405).end() })
    this.#server.on('connect', (request, client: Duplex) => {
      this.targets.push(request.url ?? '')
      if (request.url !== host) { client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'); return }
      const there = connect(port, '127.0.0.1', () => { client.write('HTTP/1.1 200 Connection Established\r\n\r\n') })
      for (const socket of [client, there]) {
        this.#sockets.add(socket)
        socket.on('error', () => { client.destroy(); there.destroy() }).on('close', () => { this.#sockets.delete(socket) })
      }
      client.pipe(there).pipe(client)
    })
  }

  /** @param host "name:port" that is let through to `port` here */
  static async listen(host: string, port: number): Promise<ForwardProxy> {
    const proxy = new ForwardProxy(host, port)
    await new Promise<void>(resolve => { proxy.#server.listen(0, '127.0.0.1', resolve) })
    return proxy
  }

  get url(): string { return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => { this.#server.close(() => { resolve() }) })
    for (const socket of this.#sockets) socket.destroy()
    this.#server.closeAllConnections()
    await closed
  }
}
