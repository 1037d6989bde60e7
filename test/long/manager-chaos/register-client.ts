import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Operation } from '../../history/operation.ts'

/** A call without an answer by then has an unknown outcome. */
const CALL_MS = 3000
/** Between two calls of one client: leaves the machine some time for the cluster. */
const PAUSE_MS = 40
const LABEL = 'value'

/** An answer of the Engine API; status 0 when none came. */
export interface Answer { readonly status: number; readonly body: string; readonly isStale: boolean }

/** One call of the Engine API on a Unix socket. Never rejects. */
export async function call(socketPath: string, method: string, path: string, body?: unknown, timeoutMs = CALL_MS): Promise<Answer> {
  return new Promise(resolve => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const fail = (error: unknown): void => resolve({ status: 0, body: String(error), isStale: false })
    const request = http.request({ socketPath, method, path: `/v1.50${path}`, headers, signal: AbortSignal.timeout(timeoutMs) }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', fail)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), isStale: response.headers['shoal-stale'] !== undefined }))
    })
    request.on('error', fail)
    request.end(payload)
  })
}

interface Config { readonly ID: string; readonly Version: { readonly Index: number }; readonly Spec: { readonly Name: string; readonly Labels: Readonly<Record<string, string>>; readonly Data: string } }

/**
 * A client of registers: each is a label of a config object, read by inspecting it and set by an update that names the version it was read at, as
 * docker service update does. Every call goes to any of the managers, and into the history.
 */
export class RegisterClient {
  readonly #name: string
  readonly #sockets: readonly string[]
  readonly #keys: readonly string[]
  readonly #history: Operation[]
  readonly #forsaken: ReadonlySet<string>
  readonly #random: () => number
  #count = 0

  /** @param options.forsaken sockets of managers of another fork at present: what they answer says nothing of the cluster that stays (D-640) */
  constructor(options: { readonly name: string; readonly sockets: readonly string[]; readonly forsaken: ReadonlySet<string>; readonly keys: readonly string[]; readonly history: Operation[]; readonly random: () => number }) {
    this.#name = options.name
    this.#sockets = options.sockets
    this.#forsaken = options.forsaken
    this.#keys = options.keys
    this.#history = options.history
    this.#random = options.random
  }

  /** Goes on until `signal` is aborted, and finishes what is under way. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#turn()
      await sleep(PAUSE_MS)
    }
  }

  async #turn(): Promise<void> {
    const key = this.#pick(this.#keys)
    const seen = await this.#read(key)
    if (seen === undefined || this.#random() < 0.3) return
    await this.#set(key, seen)
  }

  async #read(key: string): Promise<Config | undefined> {
    const began = performance.now()
    const socket = this.#pick(this.#sockets)
    const answer = await call(socket, 'GET', `/configs/${key}`)
    // Nothing is promised of what is marked as stale, and a read without an answer says nothing.
    if (answer.status !== 200 || answer.isStale || this.#forsaken.has(socket)) return undefined
    const config = JSON.parse(answer.body) as Config
    this.#history.push({ client: this.#name, key, kind: 'read', value: config.Spec.Labels[LABEL] ?? null, call: began, return: performance.now(), outcome: 'ok' })
    return config
  }

  async #set(key: string, seen: Config): Promise<void> {
    const began = performance.now()
    const value = `${this.#name}.${++this.#count}`
    const socket = this.#pick(this.#sockets)
    const { status, body } = await call(socket, 'POST', `/configs/${seen.ID}/update?version=${seen.Version.Index}`, { ...seen.Spec, Labels: { [LABEL]: value } })
    const outcome = this.#forsaken.has(socket) ? 'unknown' as const : status === 200 ? 'ok' as const : /update out of sequence/.test(body) ? 'fail' as const : 'unknown' as const
    this.#history.push({ client: this.#name, key, kind: 'cas', value, expected: seen.Spec.Labels[LABEL] ?? null, call: began, ...(outcome === 'unknown' ? {} : { return: performance.now() }), outcome })
  }

  #pick<T>(values: readonly T[]): T { return values[Math.floor(this.#random() * values.length)] as T }
}
