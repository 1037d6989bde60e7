import http from 'node:http'

/** JSON whose shape the benchmark knows from the API's documentation. */
export type Json = Record<string, unknown>

const CONNECTIONS_MAX = 64

/** A Docker Engine API daemon behind a Unix socket, with connections that are kept, as clients do. */
export class Api {
  readonly #socketPath: string
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX })

  constructor(socketPath: string) { this.#socketPath = socketPath }

  get<T = Json>(path: string): Promise<T> { return this.#json('GET', path) }
  post<T = Json>(path: string, body?: unknown): Promise<T> { return this.#json('POST', path, body) }
  delete(path: string): Promise<unknown> { return this.#json('DELETE', path) }
  /** Number of bytes of an answer that may be long. */
  async size(path: string): Promise<number> {
    let bytes = 0
    await this.#request('GET', path, undefined, chunk => { bytes += chunk.length })
    return bytes
  }

  close(): void { this.#agent.destroy() }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const chunks: Buffer[] = []
    await this.#request(method, path, body, chunk => chunks.push(chunk))
    const text = Buffer.concat(chunks).toString()
    return (/^\s*[[{]/.test(text) ? JSON.parse(text) : text) as T
  }

  #request(method: string, path: string, body: unknown, take: (chunk: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
      const request = http.request({ socketPath: this.#socketPath, agent: this.#agent, method, path: `/v1.41${path}`, headers }, response => {
        const failed = (response.statusCode ?? 500) >= 400
        const errors: Buffer[] = []
        response.on('data', (chunk: Buffer) => { if (failed) errors.push(chunk); else take(chunk) })
        response.on('error', reject)
        response.on('end', () => { if (failed) reject(new Error(`${method} ${path}: ${response.statusCode} ${Buffer.concat(errors).toString().trim().slice(0, 300)}`)); else resolve() })
      })
      request.on('error', reject)
      request.end(payload)
    })
  }
}

export function query(values: Readonly<Record<string, readonly string[]>>): string { return `filters=${encodeURIComponent(JSON.stringify(values))}` }
