import type { Readable } from 'node:stream'
import type { FilesystemChange } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { supported } from '../server/missing.ts'
import { empty, json, nullIfEmpty, type Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

/** What HEAD and GET archive tell of a path, as JSON in a header. */
export interface PathStat {
  readonly name: string
  readonly size: number
  /** Go's file mode bits. */
  readonly mode: number
  /** RFC 3339 */
  readonly mtime: string
  readonly linkTarget: string
}

/** The file side of the engine's Containers. What is missing answers 501. */
export interface ContainerFilesBackend {
  changes?(ref: string): Promise<readonly FilesystemChange[]>
  export?(ref: string): Promise<Readable>
  statPath?(ref: string, path: string): Promise<PathStat>
  readArchive?(ref: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }>
  writeArchive?(ref: string, path: string, tar: Readable, options: { readonly noOverwriteDirNonDir: boolean; readonly copyUidGid: boolean }): Promise<void>
}

const COPYING = 'copying files into and out of containers'

export function containerFileRoutes(backend: ContainerFilesBackend): readonly Route[] {
  return [
    route('GET', '/containers/{id}/changes', async ({ params }) => json(nullIfEmpty(await supported(backend.changes, 'listing the changed files of a container').call(backend, params.id ?? '')))),
    route('GET', '/containers/{id}/export', async ({ params }): Promise<Reply> => ({
      kind: 'stream', contentType: 'application/octet-stream', stream: await supported(backend.export, 'exporting a container').call(backend, params.id ?? ''),
    })),
    route('HEAD', '/containers/{id}/archive', async (request): Promise<Reply> => {
      const stat = await supported(backend.statPath, COPYING).call(backend, request.params.id ?? '', pathOf(request))
      return { kind: 'empty', status: 200, headers: statHeader(stat) }
    }),
    route('GET', '/containers/{id}/archive', async (request): Promise<Reply> => {
      const { stat, stream } = await supported(backend.readArchive, COPYING).call(backend, request.params.id ?? '', pathOf(request))
      return { kind: 'stream', contentType: 'application/x-tar', stream, headers: statHeader(stat) }
    }),
    route('PUT', '/containers/{id}/archive', async request => {
      const { query } = request
      await supported(backend.writeArchive, COPYING).call(backend, request.params.id ?? '', pathOf(request), request.body, {
        noOverwriteDirNonDir: query.flag('noOverwriteDirNonDir'), copyUidGid: query.flag('copyUIDGID'),
      })
      return empty(200)
    }),
  ]
}

function pathOf({ query }: ApiRequest): string {
  const path = query.text('path')
  if (path === '') throw new ShoalError('invalid-argument', 'bad-parameter', 'bad parameter: pathcannot be empty')
  return path
}

function statHeader(stat: PathStat): Readonly<Record<string, string>> {
  return { 'X-Docker-Container-Path-Stat': Buffer.from(JSON.stringify(stat)).toString('base64') }
}
