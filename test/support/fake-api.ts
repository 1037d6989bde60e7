import { mkdtemp, rm } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApiServer } from '../../src/http/api-server.ts'
import type { Backends } from '../../src/http/backends.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { SystemClock } from '../../src/platform/clock/system-clock.ts'

export interface Answer { readonly status: number; readonly headers: IncomingMessage['headers']; readonly text: string; readonly body: any }

/** A real server on a socket in a directory of its own. */
export interface TestApi extends AsyncDisposable {
  readonly socketPath: string
  readonly logger: MemoryLogger
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
}

export async function startApi(backends: Backends): Promise<TestApi> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-api-'))
  const socketPath = join(folder, 'api.sock')
  const logger = new MemoryLogger()
  const server = createApiServer({ backends, logger, clock: new SystemClock(), random: new SeededRandom(1), version: '0.1.0' })
  await server.listen(`unix://${socketPath}`)
  return {
    socketPath, logger,
    call: (method, path, body, headers = {}) => call(socketPath, { method, path, body, headers }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function call(socketPath: string, { method, path, body, headers }: { method: string; path: string; body?: unknown; headers: Readonly<Record<string, string>> }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const outgoing = request({ socketPath, method, path, agent: false, headers: { ...payload === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }, ...headers } }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
