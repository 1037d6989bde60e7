import http from 'node:http'

/** JSON as it comes. */
export type Json = Record<string, unknown>
export interface Reply { readonly status: number; readonly body: Buffer }

/** The daemon went away before it answered: nobody knows whether the request was carried out. */
export class NoAnswer extends Error {}
/** The daemon said no. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const TIMEOUT_MS = 60_000

/** The Engine API over a Unix socket, one connection for each request, telling answers from the end of the connection. */
export class EngineClient {
  readonly #socketPath: string
  constructor(socketPath: string) { this.#socketPath = socketPath }

  async get<T = Json>(path: string): Promise<T> { return parse(await this.call('GET', path)) as T }
  async post<T = Json>(path: string, body?: unknown): Promise<T> { return parse(await this.call('POST', path, body)) as T }
  async delete(path: string): Promise<void> { await this.call('DELETE', path) }

  /** For a pull or a build, which answers 200 and then tells how it goes, at last perhaps that it failed. @throws NoAnswer, Refused */
  async progress(path: string, body?: unknown): Promise<readonly Json[]> {
    const { status, body: text } = await this.call('POST', path, body)
    const messages = text.toString().split(/\r?\n/).filter(line => line !== '').map(line => JSON.parse(line) as Json)
    const failed = messages.find(message => message['error'] !== undefined)
    if (failed !== undefined) throw new Refused(status, `POST ${path}: ${String(failed['error'])}\n${messages.slice(-12).map(message => JSON.stringify(message)).join('\n').slice(0, 2000)}`)
    return messages
  }

  /** @throws NoAnswer, Refused */
  async call(method: string, path: string, body?: unknown): Promise<Reply> {
    const isTar = Buffer.isBuffer(body)
    const payload = body === undefined ? undefined : isTar ? body : Buffer.from(JSON.stringify(body))
    const reply = await new Promise<Reply>((resolve, reject) => {
      const request = http.request({
        socketPath: this.#socketPath, agent: false, method, path: `/v1.43${path}`, timeout: TIMEOUT_MS,
        headers: payload === undefined ? {} : { 'content-type': isTar ? 'application/x-tar' : 'application/json', 'content-length': payload.length },
      }, response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => { if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }); else reject(new NoAnswer(`${method} ${path}: cut off`)) })
        response.on('error', error => reject(new NoAnswer(error.message)))
      })
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS / 1000} s`)))
      request.on('error', error => reject(new NoAnswer(`${method} ${path}: ${error.message}`)))
      request.end(payload)
    })
    if (reply.status >= 400) throw new Refused(reply.status, `${method} ${path}: ${reply.status} ${reply.body.toString().trim().slice(0, 400)}`)
    return reply
  }
}

function parse({ body }: Reply): unknown {
  const text = body.toString()
  return /^\s*[[{]/.test(text) ? JSON.parse(text) : text
}
