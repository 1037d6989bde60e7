import { readFileSync } from 'node:fs'
import { ShoalError } from '../../base/errors.ts'
import { FLAG_PARSERS, badFlag, parseFileReference, parseMount, parseNetworkAttachment, parsePublish } from './flag-values.ts'
import { getPath, setPath, type JsonObject } from './json-path.ts'
import { LIST_FLAGS, PLAIN_ON_UPDATE, SCALAR_FLAGS, SWITCH_FLAGS, type ListFlag, type ListKind } from './service-flags.ts'

/** Flag values by long name; lists are arrays. */
export type FlagValues = ReadonlyMap<string, unknown>

/** Secrets and configs are referred to by name on the command line and by id in the spec. */
export type ReferenceLookup = (kind: 'secret' | 'config', name: string) => Promise<string>

const ROLLOUT_DEFAULTS = { Parallelism: 1, FailureAction: 'pause', Monitor: 5_000_000_000, MaxFailureRatio: 0, Order: 'stop-first' }

/**
 * Puts the flags given into a service spec. Creating and updating differ only in the names of list flags (--env; --env-add, --env-rm).
 * @param spec changed in place
 * @throws ShoalError `bad-flag`
 */
export async function applyServiceFlags(spec: JsonObject, flags: FlagValues, lookup: ReferenceLookup): Promise<void> {
  for (const path of ['UpdateConfig', 'RollbackConfig']) {
    const prefix = path === 'UpdateConfig' ? 'update-' : 'rollback-'
    if ([...flags.keys()].some(name => name.startsWith(prefix)) && getPath(spec, path) === undefined) setPath(spec, path, { ...ROLLOUT_DEFAULTS })
  }
  for (const flag of SCALAR_FLAGS) {
    const value = flags.get(flag.name)
    if (value !== undefined) setPath(spec, flag.path, FLAG_PARSERS[flag.parse](flag.name, value as string))
  }
  for (const flag of SWITCH_FLAGS) if (flags.get(flag.name) !== undefined) setPath(spec, flag.path, flags.get(flag.name))
  if (flags.get('no-healthcheck') === true) setPath(spec, 'TaskTemplate.ContainerSpec.HealthCheck', { Test: ['NONE'] })
  for (const file of (flags.get('env-file') ?? []) as readonly string[]) {
    await applyList(spec, listFlag('env'), readEnvFile(file), [], lookup)
  }
  for (const flag of LIST_FLAGS) {
    const added = [...texts(flags, flag.name), ...(PLAIN_ON_UPDATE.has(flag.name) ? [] : texts(flags, `${flag.name}-add`))]
    const removed = PLAIN_ON_UPDATE.has(flag.name) ? [] : texts(flags, `${flag.name}-rm`)
    if (added.length > 0 || removed.length > 0) await applyList(spec, flag, added, removed, lookup)
  }
}

function texts(flags: FlagValues, name: string): readonly string[] { return (flags.get(name) ?? []) as readonly string[] }
function listFlag(name: string): ListFlag { return LIST_FLAGS.find(flag => flag.name === name) as ListFlag }

function readEnvFile(path: string): readonly string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'bad-flag', `cannot read the file of --env-file: ${path}`, { cause })
  }
  return text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))
}

async function applyList(spec: JsonObject, flag: ListFlag, added: readonly string[], removed: readonly string[], lookup: ReferenceLookup): Promise<void> {
  if (flag.kind === 'map') {
    const map: JsonObject = { ...(getPath(spec, flag.path) as JsonObject | undefined) }
    for (const key of removed) delete map[key]
    for (const text of added) {
      const [key, value] = splitPair(text)
      map[key] = value ?? ''
    }
    setPath(spec, flag.path, map)
    return
  }
  const current = (getPath(spec, flag.path) ?? []) as readonly unknown[]
  const kept = current.filter(item => !removed.some(text => isMeant(flag.kind, item, text)))
  const entries = (await Promise.all(added.map(text => parseEntries(flag, text, lookup)))).flat()
  // A new entry replaces the old one of the same key.
  const keys = new Set(entries.map(item => keyOf(flag.kind, item)))
  setPath(spec, flag.path, [...kept.filter(item => !keys.has(keyOf(flag.kind, item))), ...entries])
}

function splitPair(text: string): readonly [key: string, value: string | undefined] {
  const at = text.indexOf('=')
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

async function parseEntries(flag: ListFlag, text: string, lookup: ReferenceLookup): Promise<readonly unknown[]> {
  switch (flag.kind) {
    case 'publish': return parsePublish(text)
    case 'mount': return [parseMount(text)]
    case 'network': return [parseNetworkAttachment(text)]
    case 'spread': {
      if (!text.startsWith('spread=')) throw badFlag(flag.name, text, 'spread=node.labels.NAME')
      return [{ Spread: { SpreadDescriptor: text.slice('spread='.length) } }]
    }
    case 'secret': case 'config': {
      const { source, file } = parseFileReference(flag.kind, text)
      const id = await lookup(flag.kind, source)
      return [flag.kind === 'secret' ? { SecretID: id, SecretName: source, File: file } : { ConfigID: id, ConfigName: source, File: file }]
    }
    case 'ulimit': {
      const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text)
      if (match === null) throw badFlag(flag.name, text, 'name=soft[:hard]')
      return [{ Name: match[1], Soft: Number(match[2]), Hard: Number(match[3] ?? match[2]) }]
    }
    case 'host': {
      const at = text.indexOf(':')
      if (at < 1) throw badFlag(flag.name, text, 'host:ip')
      return [`${text.slice(at + 1)} ${text.slice(0, at)}`]
    }
    case 'generic': {
      const [kind, value] = splitPair(text)
      if (value === undefined || !/^\d+$/.test(value)) throw badFlag(flag.name, text, 'kind=count')
      return [{ DiscreteResourceSpec: { Kind: kind, Value: Number(value) } }]
    }
    default: return [text]
  }
}

/** What makes two entries of a list the same one. */
function keyOf(kind: ListKind, item: unknown): string {
  const at = (path: string): string => String(getPath(item, path) ?? '')
  switch (kind) {
    case 'pairs': return splitPair(item as string)[0]
    case 'publish': return `${at('PublishedPort')}:${at('TargetPort')}/${at('Protocol')}/${at('PublishMode')}`
    case 'mount': return at('Target')
    case 'network': return at('Target')
    case 'secret': case 'config': return at('File.Name')
    case 'ulimit': return at('Name')
    case 'generic': return at('DiscreteResourceSpec.Kind')
    case 'spread': return at('Spread.SpreadDescriptor')
    default: return item as string
  }
}

/** Whether the text of --name-rm means this entry. */
function isMeant(kind: ListKind, item: unknown, text: string): boolean {
  switch (kind) {
    case 'publish': {
      const [port, protocol] = text.includes('=') ? [String(parsePublish(text)[0]?.['TargetPort'] ?? ''), undefined] : text.split('/')
      return String(getPath(item, 'TargetPort')) === (port ?? '').split(':').at(-1) && (protocol === undefined || getPath(item, 'Protocol') === protocol)
    }
    case 'secret': return getPath(item, 'SecretName') === text
    case 'config': return getPath(item, 'ConfigName') === text
    case 'spread': return `spread=${String(getPath(item, 'Spread.SpreadDescriptor'))}` === text
    case 'host': return (item as string).split(' ').reverse().join(':') === text || (item as string).split(' ')[1] === text
    default: return keyOf(kind, item) === text
  }
}
