import http2 from 'node:http2'
import net from 'node:net'

const FRAME_HEAD_BYTES = 5
/** More than all clients can have under way: otherwise the window of the connection would be measured. */
const WINDOW_BYTES = 16 * 1024 * 1024

/**
 * Unary gRPC calls over one HTTP/2 connection, with as little of its own as there can be: the same caller drives both sides, and a full client library
 * would cost more than either server.
 */
export class GrpcCaller implements Disposable {
  readonly #session: http2.ClientHttp2Session

  private constructor(session: http2.ClientHttp2Session) {
    this.#session = session
    // A call that is under way tells; without a listener the process would end.
    session.on('error', () => {})
  }

  /** @param address "unix:/path" or "host:port", without TLS */
  static async connect(address: string): Promise<GrpcCaller> {
    const options = address.startsWith('unix:') ? { path: address.slice('unix:'.length) } : { host: address.slice(0, address.lastIndexOf(':')), port: Number(address.slice(address.lastIndexOf(':') + 1)) }
    const session = http2.connect('http://localhost', { createConnection: () => net.connect({ ...options, noDelay: true }), settings: { initialWindowSize: WINDOW_BYTES } })
    await new Promise<void>((resolve, reject) => session.once('connect', () => resolve()).once('error', reject))
    session.setLocalWindowSize(WINDOW_BYTES)
    return new GrpcCaller(session)
  }

  /** @param path "package.Service/Method" @throws Error with the status and message of a failed call */
  unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ':method': 'POST', ':path': `/${path}`, 'content-type': 'application/grpc', te: 'trailers' })
      const chunks: Buffer[] = []
      let status: unknown
      let message: unknown
      const note = (headers: http2.IncomingHttpHeaders): void => {
        status = headers['grpc-status'] ?? status
        message = headers['grpc-message'] ?? message
      }
      stream.on('response', note)
      stream.on('trailers', note)
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('end', () => {
        if (status === '0') resolve((chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks)).subarray(FRAME_HEAD_BYTES))
        else reject(new Error(`${path}: status ${String(status)} ${decodeURIComponent(String(message))}`))
      })
      stream.end(framed(request))
    })
  }

  [Symbol.dispose](): void { this.#session.destroy() }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, FRAME_HEAD_BYTES)
  return frame
}
