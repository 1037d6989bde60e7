import type { Config, Secret, Task } from '../../src/api/swarm/objects.ts'
import type { FileTarget } from '../../src/api/swarm/specs.ts'
import { ShoalError } from '../../src/base/errors.ts'

/** One secret or config as a file in a container. */
export interface TaskFile {
  /** Absolute path in the container. */
  readonly target: string
  readonly data: Uint8Array
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** Where the files live on the host: a memory-backed folder. Real: src/platform/files/memory-files.ts; given by the composition root. */
export interface TaskFileStore {
  /** Writes a task's files, replacing those from before; resolves to their paths on the host, in order. */
  write(taskId: string, files: readonly TaskFile[]): Promise<readonly string[]>
  /** Removes all files of a task; idempotent. */
  remove(taskId: string): Promise<void>
}

export interface TaskSecretSource {
  secret(id: string): Secret | undefined
  config(id: string): Config | undefined
}

/** The files a task is granted (Q05, Q06, Q09). @throws ShoalError `dependency-missing` (unavailable) while a manager has not sent one */
export function taskFiles(task: Task, source: TaskSecretSource): readonly TaskFile[] {
  const container = task.spec?.container
  const secrets = (container?.secrets ?? []).map(ref => {
    const secret = source.secret(ref.secretId) ?? missing('secret', ref.secretName)
    if ((secret.spec?.templating?.name ?? '') !== '') throw templating('secret', ref.secretName)
    return fileOf(ref.file, secret.spec?.data, `/run/secrets/${ref.file?.name ?? ref.secretName}`)
  })
  const configs = (container?.configs ?? []).filter(ref => !ref.runtime && ref.file !== undefined).map(ref => {
    const config = source.config(ref.configId) ?? missing('config', ref.configName)
    if ((config.spec?.templating?.name ?? '') !== '') throw templating('config', ref.configName)
    return fileOf(ref.file, config.spec?.data, `/${ref.file?.name ?? ref.configName}`)
  })
  return [...secrets, ...configs]
}

function fileOf(file: FileTarget | undefined, data: Uint8Array | undefined, relativeTarget: string): TaskFile {
  const target = file?.name.startsWith('/') === true ? file.name : relativeTarget
  return { target, data: data ?? new Uint8Array(), uid: numeric(file?.uid), gid: numeric(file?.gid), mode: file?.mode ?? 0o444 }
}

function numeric(id: string | undefined): number {
  const text = id ?? ''
  if (!/^\d*$/.test(text)) throw new ShoalError('invalid-argument', 'user-not-numeric', `uid and gid of secrets and configs must be numbers, not "${text}"`)
  return Number(text)
}

function missing(kind: string, name: string): never {
  throw new ShoalError('unavailable', 'dependency-missing', `${kind} ${name} has not arrived on this node yet`)
}

function templating(kind: string, name: string): ShoalError {
  return new ShoalError('not-implemented', 'template-not-supported', `${kind} ${name} has a template driver, which is not supported`)
}
