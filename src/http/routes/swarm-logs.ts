import { Readable } from 'node:stream'
import type { LogOptions } from '../../api/engine/engine-calls.ts'
import type { LogSelector, LogStream } from '../../api/swarm/logs.ts'
import type { Service, Task } from '../../api/swarm/objects.ts'
import { make } from '../../api/codec/codec.ts'
import { messageOf } from '../../base/errors.ts'
import { apiTimeMs } from '../convert/api-time.ts'
import { logLine, logWarning, type LogLineOptions } from '../convert/log-lines.ts'
import { lookup } from '../convert/rpc-error.ts'
import type { ApiRequest } from '../server/api-request.ts'
import type { Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import { outputType } from '../server/stream-type.ts'
import { logOptions } from './container-streams.ts'
import type { ControlBackend } from './control-backend.ts'

export type SwarmLogsBackend = Pick<ControlBackend, 'get' | 'subscribeLogs'>

/** Logs of services and tasks, gathered by a manager from the nodes. */
export function swarmLogRoutes(backend: SwarmLogsBackend): readonly Route[] {
  return [
    route('GET', '/services/{id}/logs', async request => {
      const options = logOptions(request)
      const service = await lookup(backend.get('service', request.params.id ?? '', request.signal))
      return answer(backend, request, { options, selector: { serviceIds: [service.id] }, tty: hasTty(service.spec) })
    }),
    route('GET', '/tasks/{id}/logs', async request => {
      const options = logOptions(request)
      const task = await lookup(backend.get('task', request.params.id ?? '', request.signal))
      return answer(backend, request, { options, selector: { taskIds: [task.id] }, tty: hasTty({ task: task.spec }) })
    }),
  ]
}

interface LogCall { readonly options: LogOptions; readonly selector: Partial<LogSelector>; readonly tty: boolean }

function answer(backend: SwarmLogsBackend, request: ApiRequest, { options, selector, tty }: LogCall): Reply {
  const streams: LogStream[] = [...options.stdout ? ['stdout'] as const : [], ...options.stderr ? ['stderr'] as const : []]
  const sinceMs = options.since === undefined ? 0 : apiTimeMs(options.since, 'since')
  const messages = backend.subscribeLogs(make('SubscribeLogsRequest', {
    selector, options: { streams, follow: options.follow ?? false, sinceMs, ...options.tail === undefined ? {} : { tail: options.tail } },
  }), request.signal)
  const line: LogLineOptions = { stdout: options.stdout, stderr: options.stderr, timestamps: options.timestamps ?? false, details: options.details ?? false, tty }
  return { kind: 'stream', contentType: outputType(tty, request.version), stream: Readable.from(linesOf(messages, line, request.signal), { objectMode: false }) }
}

async function* linesOf(messages: ReturnType<SwarmLogsBackend['subscribeLogs']>, options: LogLineOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
  try {
    for await (const { messages: batch, warning } of messages) {
      for (const message of batch) {
        const line = logLine(message, options)
        if (line.length > 0) yield line
      }
      if (warning !== '') yield logWarning(warning, options.tty)
    }
  } catch (error) {
    // The status is out; the stream's own error channel tells the rest.
    if (!signal.aborted) yield logWarning(messageOf(error), options.tty)
  }
}

function hasTty(spec: Pick<NonNullable<Service['spec']>, 'task'> | { readonly task: Task['spec'] } | undefined): boolean {
  return spec?.task?.container?.tty === true
}
