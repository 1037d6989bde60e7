import { createWriteStream } from 'node:fs'
import { utimes } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import { unreachable } from '../registry/registry-error.ts'

/** As many as Go's client follows. */
const REDIRECTS_MAX = 10
/** More in one file is taken for a mistake. */
const DOWNLOAD_BYTES_MAX = 32 * 1024 ** 3
/** Silence of the server after which it is given up. */
const IDLE_MS = 120_000

export interface Downloaded {
  /** What the server calls it: the end of the last URL, or '' when that has none. */
  readonly name: string
  readonly contentType: string
}

/** Fetches a file; its time is the server's Last-Modified, else 0. @throws `download-failed` (unavailable) in Go's words */
export async function download(url: string, path: string, signal: AbortSignal): Promise<Downloaded> {
  let at = new URL(url)
  for (let redirects = 0; ; redirects++) {
    const response = await get(at, signal)
    const { statusCode = 0, headers } = response
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.resume()
      if (redirects >= REDIRECTS_MAX) throw failed(`Get "${url}": stopped after ${REDIRECTS_MAX} redirects`)
      at = new URL(headers.location, at)
      if (at.protocol !== 'http:' && at.protocol !== 'https:') throw failed(`Get "${url}": redirected to ${at.protocol}, which is not http`)
      continue
    }
    if (statusCode >= 400) {
      response.resume()
      throw failed(`failed to GET ${url} with status ${statusCode} ${response.statusMessage ?? ''}`)
    }
    await pipeline(response, bounded, createWriteStream(path, { mode: 0o600 }), { signal })
    const modifiedMs = Date.parse(headers['last-modified'] ?? '')
    const modifiedSeconds = Number.isNaN(modifiedMs) ? 0 : modifiedMs / 1000
    await utimes(path, modifiedSeconds, modifiedSeconds)
    return { name: fileName(headers['content-disposition'], at), contentType: (headers['content-type'] ?? '').split(';')[0]?.trim() ?? '' }
  }
}

function get(url: URL, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).get(url, { signal, timeout: IDLE_MS, headers: { 'user-agent': 'shoal' } }, resolve)
    request.once('timeout', () => { request.destroy(new Error(`no answer for ${IDLE_MS / 1000} s`)) })
    request.once('error', error => { reject(signal.aborted ? signal.reason as Error : failed(unreachable('GET', url.href, error).message, error)) })
  })
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > DOWNLOAD_BYTES_MAX) throw failed(`the file is larger than ${DOWNLOAD_BYTES_MAX} bytes`)
    yield chunk
  }
}

function fileName(disposition: string | undefined, url: URL): string {
  const [, quoted, plain] = /filename=(?:"([^"]+)"|([^;\s]+))/i.exec(disposition ?? '') ?? []
  const name = quoted ?? plain ?? decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf('/') + 1))
  return /^(\.{0,2}|.*[/\\\0].*)$/.test(name) ? '' : name
}

function failed(message: string, cause?: unknown): ShoalError { return new ShoalError('unavailable', 'download-failed', message, { cause }) }
