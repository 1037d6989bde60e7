import { ShoalError } from '../../../src/base/errors.ts'
import type { CacheSharing } from './cache-mounts.ts'

/** One RUN --mount, understood. Targets are absolute. */
export type RunMount =
  | { readonly kind: 'bind'; readonly target: string; readonly source: string; readonly from: string | undefined; readonly writable: boolean }
  | { readonly kind: 'cache'; readonly target: string; readonly id: string; readonly sharing: CacheSharing; readonly readOnly: boolean; readonly uid: number; readonly gid: number; readonly mode: number }
  | { readonly kind: 'tmpfs'; readonly target: string; readonly sizeBytes: number }
  | { readonly kind: 'secret'; readonly target: string | undefined; readonly env: string | undefined; readonly id: string; readonly required: boolean; readonly uid: number; readonly gid: number; readonly mode: number }

const KEYS: Readonly<Record<string, string>> = { dst: 'target', destination: 'target', src: 'source', ro: 'readonly', readwrite: 'rw' }
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  bind: ['target', 'source', 'from', 'rw', 'readonly'], cache: ['target', 'id', 'sharing', 'readonly', 'rw', 'uid', 'gid', 'mode', 'from', 'source'],
  tmpfs: ['target', 'size'], secret: ['target', 'id', 'required', 'uid', 'gid', 'mode', 'env', 'source'],
}
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** Reads "type=cache,target=/x". @param workdir what relative targets are below @throws `bad-mount` (invalid-argument), `unsupported-instruction` */
export function parseRunMount(text: string, workdir: string): RunMount {
  const fields = new Map(text.split(',').map(field => {
    const equals = field.indexOf('=')
    const key = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase()
    return [KEYS[key] ?? key, equals < 0 ? 'true' : field.slice(equals + 1)] as const
  }))
  const kind = fields.get('type') ?? 'bind'
  if (kind === 'ssh') throw new ShoalError('not-implemented', 'unsupported-instruction', 'RUN --mount=type=ssh is not supported by shoal: no agent is forwarded; use --mount=type=secret with a key')
  const allowed = ALLOWED[kind]
  if (allowed === undefined) throw bad(`unsupported mount type ${JSON.stringify(kind)}`)
  for (const key of fields.keys()) if (key !== 'type' && !allowed.includes(key)) throw bad(`unexpected key '${key}' in '${text}'`)
  const target = fields.get('target')
  const absolute = target === undefined ? undefined : clean(target.startsWith('/') ? target : `${workdir}/${target}`)
  if (kind === 'secret') return secret(fields, absolute)
  if (absolute === undefined || absolute === '/') throw bad(`${kind} mount requires a target that is not /`)
  switch (kind) {
    case 'bind': return { kind, target: absolute, source: fields.get('source') ?? '/', from: fields.get('from'), writable: isOn(fields.get('rw')) || fields.get('readonly') === 'false' }
    case 'tmpfs': return { kind, target: absolute, sizeBytes: bytes(fields.get('size')) }
    default: return cache(fields, absolute)
  }
}

function cache(fields: ReadonlyMap<string, string>, target: string): RunMount {
  if (fields.has('from') || fields.has('source')) throw new ShoalError('not-implemented', 'unsupported-instruction', 'RUN --mount=type=cache with from or source is not supported by shoal: copy into the cache in the step itself')
  const sharing = fields.get('sharing') ?? 'shared'
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked') throw bad(`unsupported sharing value ${JSON.stringify(sharing)}`)
  return {
    kind: 'cache', target, sharing, id: clean(fields.get('id') ?? target), readOnly: isOn(fields.get('readonly')),
    uid: number(fields.get('uid'), 0, 10), gid: number(fields.get('gid'), 0, 10), mode: number(fields.get('mode'), 0o755, 8),
  }
}

function secret(fields: ReadonlyMap<string, string>, target: string | undefined): RunMount {
  const env = fields.get('env')
  const id = fields.get('id') ?? fields.get('source') ?? target?.slice(target.lastIndexOf('/') + 1) ?? env
  if (id === undefined || id === '') throw bad('secret mount requires an id')
  return {
    kind: 'secret', id, env, target: target ?? (env === undefined ? `/run/secrets/${id.slice(id.lastIndexOf('/') + 1)}` : undefined), required: isOn(fields.get('required')),
    uid: number(fields.get('uid'), 0, 10), gid: number(fields.get('gid'), 0, 10), mode: number(fields.get('mode'), 0o400, 8),
  }
}

function isOn(text: string | undefined): boolean { return text !== undefined && !['false', '0'].includes(text) }

function number(text: string | undefined, fallback: number, radix: 8 | 10): number {
  if (text === undefined) return fallback
  if (!(radix === 8 ? /^[0-7]{1,5}$/ : /^\d{1,10}$/).test(text)) throw bad(`invalid value ${JSON.stringify(text)}`)
  return Number.parseInt(text, radix)
}

function bytes(text: string | undefined): number {
  if (text === undefined) return 0
  const [, digits = '', unit = ''] = /^(\d+)\s*([bkmg]?)b?$/i.exec(text) ?? []
  if (digits === '') throw bad(`invalid size ${JSON.stringify(text)}`)
  return Number(digits) * (UNIT_BYTES[unit.toLowerCase()] ?? 1)
}

function clean(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`
}

function bad(reason: string): ShoalError { return new ShoalError('invalid-argument', 'bad-mount', `invalid --mount: ${reason}`) }
