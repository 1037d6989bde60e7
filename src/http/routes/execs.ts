import type { Attachment } from './container-streams.ts'
import type { ExecConfig } from '../../api/engine/engine-calls.ts'
import { ShoalError } from '../../base/errors.ts'
import { EXEC_CREATE, EXEC_START } from '../json/container-shapes.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { empty, json, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'
import { outputType } from '../server/stream-type.ts'
import { terminalSize } from './terminal-size.ts'

interface Size { readonly height: number; readonly width: number }

/** Structurally the engine's Execs. */
export interface ExecsBackend {
  create(containerRef: string, config: ExecConfig): Promise<{ readonly Id: string }>
  start(id: string, options: { readonly detach: boolean; readonly tty: boolean; readonly size?: Size }): Promise<Attachment | undefined>
  inspect(id: string): Promise<Readonly<Record<string, unknown>>>
  resize(id: string, size: Size): Promise<void>
}

interface CreateBody {
  readonly User?: string; readonly Privileged?: boolean; readonly Tty?: boolean; readonly AttachStdin?: boolean; readonly AttachStdout?: boolean; readonly AttachStderr?: boolean
  readonly DetachKeys?: string; readonly Env?: readonly string[]; readonly WorkingDir?: string; readonly Cmd?: readonly string[]
}
interface StartBody { readonly Detach?: boolean; readonly Tty?: boolean; readonly ConsoleSize?: readonly number[] }

export function execRoutes(backend: ExecsBackend): readonly Route[] {
  return [
    route('POST', '/containers/{id}/exec', async request => {
      const config = readConfig(await request.json<CreateBody>(EXEC_CREATE))
      return json(await backend.create(request.params.id ?? '', config), 201)
    }),
    route('POST', '/exec/{id}/start', request => start(backend, request)),
    route('GET', '/exec/{id}/json', async ({ params }) => json(await backend.inspect(params.id ?? ''))),
    route('POST', '/exec/{id}/resize', async ({ params, query }) => {
      await backend.resize(params.id ?? '', terminalSize(query))
      return empty(200)
    }),
  ]
}

async function start(backend: ExecsBackend, request: ApiRequest): Promise<Reply> {
  const { Detach: detach = false, Tty: tty = false, ConsoleSize } = await request.optionalJson<StartBody>(EXEC_START) ?? {}
  const [height, width] = ConsoleSize ?? []
  const size = height === undefined || width === undefined ? {} : { size: { height, width } }
  const attachment = await backend.start(request.params.id ?? '', { detach, tty, ...size })
  if (attachment === undefined) return empty(200)
  return { kind: 'hijack', contentType: outputType(attachment.tty, request.version), stream: attachment.stream, input: true }
}

function readConfig(body: CreateBody): ExecConfig {
  if (body.Cmd === undefined || body.Cmd.length === 0) throw new ShoalError('invalid-argument', 'bad-parameter', 'No exec command specified')
  return {
    cmd: body.Cmd, attachStdin: body.AttachStdin ?? false, attachStdout: body.AttachStdout ?? false, attachStderr: body.AttachStderr ?? false,
    tty: body.Tty ?? false, env: body.Env ?? [], privileged: body.Privileged ?? false,
    ...body.WorkingDir ? { workingDir: body.WorkingDir } : {}, ...body.User ? { user: body.User } : {}, ...body.DetachKeys ? { detachKeys: body.DetachKeys } : {},
  }
}
