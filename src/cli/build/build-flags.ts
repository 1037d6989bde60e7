import { readFile } from 'node:fs/promises'
import { ShoalError } from '../../base/errors.ts'
import type { Query } from '../api-client.ts'

export interface BuildFlags {
  readonly tag?: readonly string[]
  readonly file?: string
  readonly buildArg?: readonly string[]
  readonly target?: string
  readonly cache: boolean
  readonly pull?: boolean
  readonly rm: boolean
  readonly forceRm?: boolean
  readonly quiet?: boolean
  readonly label?: readonly string[]
  readonly network?: string
  readonly platform?: string
  readonly cacheFrom?: readonly string[]
  readonly addHost?: readonly string[]
  readonly memory?: string
  readonly shmSize?: string
  readonly ulimit?: readonly string[]
  readonly secret?: readonly string[]
  readonly iidfile?: string
}

/** All of a build's secrets together, encoded: what fits into a header. */
export const SECRETS_BYTES_MAX = 8 * 1024
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** The parameters of POST /build. @throws `bad-flag` */
export function buildQuery(flags: BuildFlags, environment: Readonly<Record<string, string | undefined>>): Query {
  return {
    t: flags.tag, target: flags.target, nocache: flags.cache ? undefined : true, pull: flags.pull, rm: flags.rm, forcerm: flags.forceRm, q: flags.quiet, networkmode: flags.network, platform: flags.platform,
    buildargs: json(flags.buildArg?.map(text => pair(text, environment))), labels: json(flags.label?.map(text => pair(text, {}))),
    cachefrom: flags.cacheFrom === undefined ? undefined : JSON.stringify(flags.cacheFrom), extrahosts: flags.addHost,
    memory: flags.memory === undefined ? undefined : bytes(flags.memory, '--memory'), shmsize: flags.shmSize === undefined ? undefined : bytes(flags.shmSize, '--shm-size'),
    ulimits: flags.ulimit === undefined ? undefined : JSON.stringify(flags.ulimit.map(ulimit)),
  }
}

/** "id=x,src=file", "id=x,env=NAME": the header that carries them. @throws `bad-flag`, `secrets-too-large` */
export async function secretsHeader(secrets: readonly string[], environment: Readonly<Record<string, string | undefined>>): Promise<string> {
  const found: Record<string, string> = {}
  for (const text of secrets) {
    const fields = new Map(text.split(',').map(field => { const at = field.indexOf('='); return [field.slice(0, at), field.slice(at + 1)] }))
    const source = fields.get('src') ?? fields.get('source')
    const id = fields.get('id') ?? source
    const name = fields.get('env') ?? (source === undefined && fields.get('type') !== 'file' ? id : undefined)
    if (id === undefined || id === '') throw bad(`--secret ${text}: id is missing, as in id=token,src=./token`)
    const value = source !== undefined ? await readFile(source) : environment[name ?? '']
    if (value === undefined) throw bad(`--secret ${text}: the environment has no ${name ?? ''}; give src=FILE or env=NAME`)
    found[id] = Buffer.from(value).toString('base64')
  }
  const header = Buffer.from(JSON.stringify(found)).toString('base64')
  if (header.length > SECRETS_BYTES_MAX) throw new ShoalError('invalid-argument', 'secrets-too-large', `the secrets of a build may have ${SECRETS_BYTES_MAX} bytes in all, encoded; these have ${header.length}`)
  return header
}

/** Without a value it is that of the environment, or none. */
function pair(text: string, environment: Readonly<Record<string, string | undefined>>): readonly [string, string | null] {
  const at = text.indexOf('=')
  return at < 0 ? [text, environment[text] ?? (Object.keys(environment).length === 0 ? '' : null)] : [text.slice(0, at), text.slice(at + 1)]
}

function json(pairs: readonly (readonly [string, string | null])[] | undefined): string | undefined { return pairs === undefined ? undefined : JSON.stringify(Object.fromEntries(pairs)) }

function bytes(text: string, flag: string): number {
  const [, digits = '', unit = ''] = /^(\d+)([bkmg]?)b?$/i.exec(text) ?? []
  if (digits === '') throw bad(`${flag} ${text}: give a number of bytes, with b, k, m or g behind it`)
  return Number(digits) * (UNIT_BYTES[unit.toLowerCase()] ?? 1)
}

function ulimit(text: string): { readonly Name: string; readonly Soft: number; readonly Hard: number } {
  const [, Name = '', soft = '', hard = soft] = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? []
  if (Name === '') throw bad(`--ulimit ${text}: give name=soft[:hard]`)
  return { Name, Soft: Number(soft), Hard: Number(hard) }
}

function bad(message: string): ShoalError { return new ShoalError('invalid-argument', 'bad-flag', message) }
