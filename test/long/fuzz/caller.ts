import http from 'node:http'
import { connect } from 'node:net'

const SOCKETS_MAX = 16
const BODY_MAX = 2 ** 20
/** Answers that go on (events, logs, attach, waits) are left after their head. */
const PATIENCE_MS = 60
/** Whatever has not even a head by then hangs. */
export const ANSWER_MAX_MS = 20_000

export interface Answered { readonly status: number; readonly contentType: string; readonly body: string; readonly cut: boolean }

/** 'broken' when the daemon closed the connection without an answer, 'silent' when none came in time, 'left' when the client did not wait for one. */
export type Unanswered = 'broken' | 'silent' | 'left'

/** A client that keeps its connections, and leaves those that go on. */
export class Caller {
  readonly #socketPath: string
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX })

  constructor(socketPath: string) { this.#socketPath = socketPath }

  async call(method: string, path: string, options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: Buffer | undefined; readonly patienceMs?: number; readonly leaveMs?: number } = {}): Promise<Answered | Unanswered> {
    return new Promise(resolve => {
      const { body } = options
      const headers = { ...options.headers, ...(body === undefined ? {} : { 'content-length': String(body.length) }) }
      const request = http.request({ socketPath: this.#socketPath, agent: this.#agent, method, path, headers })
      const silence = setTimeout(() => { resolve(options.leaveMs === undefined ? 'silent' : 'left'); request.destroy() }, options.leaveMs ?? ANSWER_MAX_MS)
      const done = (answer: Answered | 'broken'): void => { clearTimeout(silence); resolve(answer) }
      request.on('error', () => done('broken'))
      request.on('upgrade', (response, socket) => { socket.on('error', () => socket.destroy()).destroy(); done({ status: response.statusCode ?? 0, contentType: '', body: '', cut: true }) })
      request.on('response', response => {
        clearTimeout(silence)
        const chunks: Buffer[] = []
        let bytes = 0
        const finish = (cut: boolean): void => { clearTimeout(patience); done({ status: response.statusCode ?? 0, contentType: response.headers['content-type'] ?? '', body: Buffer.concat(chunks).toString(), cut }) }
        const patience = setTimeout(() => { finish(true); request.destroy() }, options.patienceMs ?? PATIENCE_MS)
        response.on('data', (chunk: Buffer) => { if (bytes < BODY_MAX) { chunks.push(chunk); bytes += chunk.length } })
        response.on('end', () => finish(false)).on('error', () => finish(true))
      })
      request.end(body)
    })
  }

  async json(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly body: unknown }> {
    const ask = (): Promise<Answered | Unanswered> => this.call(method, path, { patienceMs: ANSWER_MAX_MS, ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) }) })
    // A kept connection may have been closed meanwhile: the first one of a storm is asked for again.
    let answer = await ask()
    for (let tries = 0; answer === 'broken' && tries < SOCKETS_MAX; tries++) answer = await ask()
    if (typeof answer === 'string') throw new Error(`${method} ${path}: ${answer}`)
    return { status: answer.status, body: answer.body === '' || !answer.contentType.includes('json') ? undefined : JSON.parse(answer.body) }
  }

  /** Writes bytes as they are, and gives what came back until the daemon closed, or `patienceMs` went by. */
  async raw(pieces: readonly (string | Uint8Array)[], patienceMs: number): Promise<string> {
    return new Promise(resolve => {
      const socket = connect(this.#socketPath)
      let answer = ''
      const timer = setTimeout(() => socket.destroy(), patienceMs)
      socket.on('data', chunk => { if (answer.length < 4_096) answer += chunk.toString('latin1') })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => { clearTimeout(timer); resolve(answer) })
      for (const piece of pieces) socket.write(piece)
    })
  }

  close(): void { this.#agent.destroy() }
}
