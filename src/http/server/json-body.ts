import type { Readable } from 'node:stream'
import { ShoalError } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { shaped, type Shape } from '../json/shape.ts'

/** The largest legal body is a config of 1,024,000 bytes in base 64; this is a comfortable multiple. */
export const JSON_BODY_BYTES_MAX = 8 * 1024 * 1024

/** A whole body must be here after this long: who sends a byte now and then must not hold a request for ever. */
export const JSON_BODY_TIMEOUT_MS = 60_000

/** Reads a JSON body of that shape; undefined when it is empty. @throws ShoalError as ApiRequest.json says */
export async function readJsonBody(body: Readable, { contentType, shape, clock }: { readonly contentType: string | undefined; readonly shape: Shape; readonly clock: Clock }): Promise<unknown> {
  const timer = clock.after(JSON_BODY_TIMEOUT_MS, () => body.destroy(new ShoalError('invalid-argument', 'body-too-slow', `the request body took longer than ${JSON_BODY_TIMEOUT_MS / 1000} s`)))
  const text = await readText(body).finally(() => timer.cancel())
  if (text.trim() === '') return undefined
  checkContentType(contentType)
  return shaped(shape, parseJson(text))
}

function checkContentType(contentType: string | undefined): void {
  if (contentType === undefined || contentType === '') return
  const media = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  if (media === 'application/json') return
  throw new ShoalError('invalid-argument', 'bad-content-type', `unsupported Content-Type header (${contentType.slice(0, 100)}): must be 'application/json'`)
}

async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > JSON_BODY_BYTES_MAX) {
      throw new ShoalError('invalid-argument', 'body-too-large', `the request body is larger than ${JSON_BODY_BYTES_MAX} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'invalid-json', `invalid JSON: ${(cause as Error).message.slice(0, 300)}`, { cause })
  }
}
