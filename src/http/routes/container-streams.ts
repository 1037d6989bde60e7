import type { Duplex, Readable } from 'node:stream'
import type { AttachOptions, LogOptions } from '../../api/engine/engine-calls.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ApiRequest } from '../server/api-request.ts'
import type { Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import { outputType } from '../server/stream-type.ts'

export interface Attachment { readonly tty: boolean; readonly stream: Duplex }

/** The streaming part of the engine's Containers. */
export interface ContainerStreamsBackend {
  logs(ref: string, options: LogOptions): Promise<{ readonly tty: boolean; readonly stream: Readable }>
  attach(ref: string, options: AttachOptions): Promise<Attachment>
}

export function containerStreamRoutes(backend: ContainerStreamsBackend): readonly Route[] {
  return [
    route('GET', '/containers/{id}/logs', async (request): Promise<Reply> => {
      const { tty, stream } = await backend.logs(request.params.id ?? '', logOptions(request))
      return { kind: 'stream', contentType: outputType(tty, request.version), stream }
    }),
    route('POST', '/containers/{id}/attach', async (request): Promise<Reply> => {
      const options = attachOptions(request)
      const { tty, stream } = await backend.attach(request.params.id ?? '', options)
      return { kind: 'hijack', contentType: outputType(tty, request.version), stream, input: options.stdin && options.stream }
    }),
    route('GET', '/containers/{id}/attach/ws', async (request): Promise<Reply> => {
      if (request.header('upgrade')?.toLowerCase() !== 'websocket') throw new ShoalError('invalid-argument', 'not-a-websocket', 'this endpoint speaks only WebSocket: send an Upgrade: websocket request')
      const { stream } = await backend.attach(request.params.id ?? '', webSocketOptions(request))
      return { kind: 'websocket', stream }
    }),
  ]
}

/** Log parameters, shared with services and tasks. @throws ShoalError `bad-parameter` when neither stream is wanted */
export function logOptions({ query }: ApiRequest): LogOptions {
  const stdout = query.flag('stdout')
  const stderr = query.flag('stderr')
  if (!stdout && !stderr) throw new ShoalError('invalid-argument', 'bad-parameter', 'Bad parameters: you must choose at least one stream')
  const tail = tailOf(query.text('tail'))
  const since = query.optional('since')
  const until = query.optional('until')
  return {
    stdout, stderr, follow: query.flag('follow'), timestamps: query.flag('timestamps'), details: query.flag('details'),
    ...tail === undefined ? {} : { tail }, ...since === undefined || since === '0' ? {} : { since }, ...until === undefined || until === '0' ? {} : { until },
  }
}

/** "all", a negative number and anything that is none mean the whole log, as in Docker. */
function tailOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function attachOptions({ query }: ApiRequest): AttachOptions {
  const detachKeys = query.optional('detachKeys')
  return {
    stdin: query.flag('stdin'), stdout: query.flag('stdout'), stderr: query.flag('stderr'), logs: query.flag('logs'), stream: query.flag('stream'),
    ...detachKeys === undefined ? {} : { detachKeys },
  }
}

/** Old clients name no streams on a WebSocket and expect all of them. */
function webSocketOptions(request: ApiRequest): AttachOptions {
  const options = attachOptions(request)
  if (options.stdin || options.stdout || options.stderr) return { ...options, stream: true }
  return { ...options, stdin: true, stdout: true, stderr: true, stream: true }
}
