import { request } from 'node:http'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Clock } from '../../../src/base/clock.ts'

/** Where a plugin listens. */
export type PluginAddress = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json'
/** A plugin that says nothing for this long is taken for dead. A mount may have to attach a disk. */
const ANSWER_MS = 30_000
/** The same for what every list and info waits for. */
export const LIST_MS = 5_000
const ANSWER_BYTES_MAX = 8 * 1024 * 1024

/** Calls a plugin: JSON over HTTP on its socket, as Docker's legacy plugins speak it. */
export class PluginClient {
  readonly #address: PluginAddress
  readonly #clock: Clock

  constructor(address: PluginAddress, clock: Clock) {
    this.#address = address
    this.#clock = clock
  }

  /**
   * @param method such as "VolumeDriver.Mount"
   * @throws ShoalError `plugin-failed` (unavailable when it does not answer, unknown when it refuses) with the plugin's own words
   */
  async call<T extends object>(method: string, body: object, timeoutMs = ANSWER_MS): Promise<T> {
    const answer = await this.#post(method, JSON.stringify(body), timeoutMs)
    const { Err } = answer as { readonly Err?: unknown }
    if (typeof Err === 'string' && Err !== '') throw failed('unknown', `${method}: ${Err}`)
    return answer as T
  }

  #post(method: string, body: string, timeoutMs: number): Promise<object> {
    return new Promise((resolve, reject) => {
      const target = this.#address.kind === 'unix' ? { socketPath: this.#address.path } : { host: this.#address.host, port: this.#address.port }
      const sent = request({ ...target, method: 'POST', path: `/${method}`, agent: false, headers: { 'Accept': CONTENT_TYPE, 'Content-Type': CONTENT_TYPE, 'Content-Length': Buffer.byteLength(body) } }, response => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > ANSWER_BYTES_MAX) sent.destroy(new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`))
          else chunks.push(chunk)
        })
        response.on('end', () => {
          timer.cancel()
          try {
            resolve(parseAnswer(method, response.statusCode ?? 0, Buffer.concat(chunks).toString()))
          } catch (error) {
            reject(error as Error)
          }
        })
        response.on('error', error => sent.destroy(error))
      })
      const timer = this.#clock.after(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
      sent.on('error', (cause: Error) => {
        timer.cancel()
        reject(failed('unavailable', `${method}: ${messageOf(cause)}`))
      })
      sent.end(body)
    })
  }
}

function parseAnswer(method: string, status: number, text: string): object {
  let answer: unknown
  try {
    answer = text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    answer = undefined
  }
  const isObject = typeof answer === 'object' && answer !== null
  const reason = isObject ? (answer as { Err?: unknown }).Err : undefined
  if (status >= 400) throw failed('unknown', `${method}: ${typeof reason === 'string' && reason !== '' ? reason : text.trim().slice(0, 1000) || `status ${status}`}`)
  if (!isObject) throw failed('unknown', `${method}: the answer is not a JSON object`)
  return answer as object
}

function failed(kind: 'unavailable' | 'unknown', message: string): ShoalError {
  return new ShoalError(kind, 'plugin-failed', message)
}
