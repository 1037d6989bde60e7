import { createServer, type Server } from 'node:http'
import { ShoalError, messageOf } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'

/** What is served. */
export interface MetricsText { readonly contentType: string; text(): Promise<string> }

/** GET /metrics for Prometheus, on an address of its own. Anybody who reaches it may read. */
export class MetricsServer implements AsyncDisposable {
  readonly #server: Server

  private constructor(server: Server) { this.#server = server }

  /** @param address host:port. @throws ShoalError `address-in-use` (failed-precondition), `bad-listen-address` (invalid-argument) */
  static async listen(address: string, metrics: MetricsText, logger: Logger): Promise<MetricsServer> {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:/[\]]*)):(\d{1,5})$/i.exec(address)
    if (match === null) throw new ShoalError('invalid-argument', 'bad-listen-address', `cannot serve metrics on "${address}": give host:port, such as 127.0.0.1:9323`)
    const server = createServer((request, response) => {
      if (request.url?.split('?')[0] !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
        response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 page not found\n')
        return
      }
      metrics.text().then(text => { response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text) }, (err: unknown) => {
        logger.error('metrics could not be collected', { err })
        response.writeHead(500, { 'Content-Type': 'text/plain' }).end(`${messageOf(err)}\n`)
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', cause => reject(new ShoalError('failed-precondition', 'address-in-use', `cannot serve metrics on ${address}: ${cause.message}`, { cause })))
      server.listen({ host: match[1] ?? (match[2] || '0.0.0.0'), port: Number(match[3]) }, resolve)
    })
    server.on('error', err => logger.error('the listener for metrics failed', { err }))
    return new MetricsServer(server)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
