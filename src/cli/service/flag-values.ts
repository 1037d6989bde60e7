import { ShoalError } from '../../base/errors.ts'
import { parseBytes, parseDurationNs } from '../output/human.ts'
import type { JsonObject } from './json-path.ts'

/** Texts of flags to values of the API. All throw ShoalError `bad-flag` naming the flag. */
export const FLAG_PARSERS = {
  text: (_flag: string, value: string): unknown => value,
  integer: (flag: string, value: string): unknown => {
    if (!/^-?\d+$/.test(value)) throw badFlag(flag, value, 'a whole number')
    return Number(value)
  },
  ratio: (flag: string, value: string): unknown => {
    if (!/^\d*\.?\d+$/.test(value)) throw badFlag(flag, value, 'a number')
    return Number(value)
  },
  durationNs: (flag: string, value: string): unknown => parseDurationNs(value) ?? fail(badFlag(flag, value, 'a duration like 10s or 1m30s')),
  bytes: (flag: string, value: string): unknown => parseBytes(value) ?? fail(badFlag(flag, value, 'a size like 64M or 1G')),
  nanoCpus: (flag: string, value: string): unknown => {
    if (!/^\d*\.?\d+$/.test(value)) throw badFlag(flag, value, 'a number of CPUs like 0.5')
    return Math.round(Number(value) * 1e9)
  },
  words: (_flag: string, value: string): unknown => splitWords(value),
  shellTest: (_flag: string, value: string): unknown => ['CMD-SHELL', value],
} as const
export type FlagParser = keyof typeof FLAG_PARSERS

function fail(error: Error): never { throw error }

export function badFlag(flag: string, value: string, expected: string): ShoalError {
  return new ShoalError('invalid-argument', 'bad-flag', `invalid argument "${value}" for "--${flag}" flag: expected ${expected}`)
}

/** Splits as a shell does: blanks separate, quotes and backslashes keep together. */
export function splitWords(text: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? ''
    if (quote === "'") {
      if (c === "'") quote = ''
      else word += c
    } else if (c === '\\') {
      word = (word ?? '') + (text[++i] ?? '')
    } else if (quote === '"') {
      if (c === '"') quote = ''
      else word += c
    } else if (c === '"' || c === "'") {
      quote = c
      word ??= ''
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + c
    }
  }
  if (quote !== '') throw new ShoalError('invalid-argument', 'bad-flag', `unclosed ${quote} in: ${text}`)
  return word === undefined ? words : [...words, word]
}

/** "key=value,key2,…" -> pairs in order; a key alone has the value "true". */
function parsePairs(text: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  for (const field of text.split(',')) {
    const at = field.indexOf('=')
    if (at < 0) pairs.set(field.trim().toLowerCase(), 'true')
    else pairs.set(field.slice(0, at).trim().toLowerCase(), field.slice(at + 1))
  }
  return pairs
}

/** "8080:80/udp", "8080-8081:80-81", "80", or "published=8080,target=80,protocol=tcp,mode=host". */
export function parsePublish(text: string): readonly JsonObject[] {
  if (text.includes('=')) return [parseLongPublish(text)]
  const match = /^(?:(?:(\d+)(?:-(\d+))?)?:)?(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(text)
  if (match === null) throw badFlag('publish', text, 'published:target[/protocol]')
  const [, published, publishedEnd, target, targetEnd, protocol] = match
  const first = Number(target)
  const count = Number(targetEnd ?? target) - first + 1
  const publishedCount = published === undefined ? count : Number(publishedEnd ?? published) - Number(published) + 1
  if (count < 1 || publishedCount !== count) throw badFlag('publish', text, 'ranges of the same length')
  return Array.from({ length: count }, (_, i) => ({
    Protocol: (protocol ?? 'tcp').toLowerCase(), TargetPort: first + i, PublishMode: 'ingress', ...(published === undefined ? {} : { PublishedPort: Number(published) + i }),
  }))
}

function parseLongPublish(text: string): JsonObject {
  const port: JsonObject = { Protocol: 'tcp', PublishMode: 'ingress' }
  for (const [key, value] of parsePairs(text)) {
    if (key === 'protocol' && /^(tcp|udp|sctp)$/i.test(value)) port['Protocol'] = value.toLowerCase()
    else if (key === 'mode' && (value === 'ingress' || value === 'host')) port['PublishMode'] = value
    else if (key === 'target' && /^\d+$/.test(value)) port['TargetPort'] = Number(value)
    else if (key === 'published' && /^\d+$/.test(value)) port['PublishedPort'] = Number(value)
    else throw badFlag('publish', text, 'published=, target=, protocol= (tcp, udp, sctp) and mode= (ingress, host)')
  }
  if (port['TargetPort'] === undefined) throw badFlag('publish', text, 'a target port')
  return port
}

const MOUNT_TYPES = ['bind', 'volume', 'tmpfs', 'npipe', 'cluster', 'image']

/** "type=bind,source=/a,target=/b,readonly,…" */
export function parseMount(text: string): JsonObject {
  const mount: JsonObject = { Type: 'volume' }
  const part = (name: string): JsonObject => (mount[name] ??= {}) as JsonObject
  for (const [key, value] of parsePairs(text)) {
    switch (key) {
      case 'type':
        if (!MOUNT_TYPES.includes(value)) throw badFlag('mount', text, `a type of ${MOUNT_TYPES.join(', ')}`)
        mount['Type'] = value
        break
      case 'source': case 'src': mount['Source'] = value; break
      case 'target': case 'dst': case 'destination': mount['Target'] = value; break
      case 'readonly': case 'ro': mount['ReadOnly'] = value === 'true' || value === '1'; break
      case 'consistency': mount['Consistency'] = value; break
      case 'bind-propagation': part('BindOptions')['Propagation'] = value; break
      case 'bind-nonrecursive': part('BindOptions')['NonRecursive'] = value === 'true'; break
      case 'volume-nocopy': part('VolumeOptions')['NoCopy'] = value === 'true'; break
      case 'volume-subpath': part('VolumeOptions')['Subpath'] = value; break
      case 'volume-driver': ((part('VolumeOptions')['DriverConfig'] ??= {}) as JsonObject)['Name'] = value; break
      case 'volume-label': addPair((part('VolumeOptions')['Labels'] ??= {}) as JsonObject, value); break
      case 'volume-opt': addPair((((part('VolumeOptions')['DriverConfig'] ??= {}) as JsonObject)['Options'] ??= {}) as JsonObject, value); break
      case 'tmpfs-size': part('TmpfsOptions')['SizeBytes'] = FLAG_PARSERS.bytes('mount', value); break
      case 'tmpfs-mode': part('TmpfsOptions')['Mode'] = Number.parseInt(value, 8); break
      default: throw badFlag('mount', text, `known keys (${key} is none)`)
    }
  }
  if (mount['Target'] === undefined) throw badFlag('mount', text, 'a target')
  return mount
}

function addPair(object: JsonObject, text: string): void {
  const at = text.indexOf('=')
  object[at < 0 ? text : text.slice(0, at)] = at < 0 ? '' : text.slice(at + 1)
}

/** "name" or "name=net,alias=web,driver-opt=k=v,ip=…" */
export function parseNetworkAttachment(text: string): JsonObject {
  if (!text.includes('=')) return { Target: text }
  const attachment: JsonObject = {}
  for (const [key, value] of parsePairs(text)) {
    if (key === 'name') attachment['Target'] = value
    else if (key === 'alias') attachment['Aliases'] = [...((attachment['Aliases'] ?? []) as string[]), value]
    else if (key === 'driver-opt') addPair((attachment['DriverOpts'] ??= {}) as JsonObject, value)
    else throw badFlag('network', text, 'name=, alias= and driver-opt=')
  }
  if (attachment['Target'] === undefined) throw badFlag('network', text, 'a name')
  return attachment
}

/** A secret or config reference: "name" or "source=name,target=file,uid=0,gid=0,mode=0444". */
export function parseFileReference(flag: 'secret' | 'config', text: string): { readonly source: string; readonly file: JsonObject } {
  const pairs: ReadonlyMap<string, string> = text.includes('=') || text.includes(',') ? parsePairs(text) : new Map([['source', text]])
  const known = ['source', 'src', 'target', 'uid', 'gid', 'mode']
  for (const key of pairs.keys()) if (!known.includes(key)) throw badFlag(flag, text, 'source=, target=, uid=, gid= and mode=')
  const source = pairs.get('source') ?? pairs.get('src')
  if (source === undefined) throw badFlag(flag, text, 'a source')
  const mode = pairs.get('mode') ?? '0444'
  if (!/^0?[0-7]+$/.test(mode)) throw badFlag(flag, text, 'an octal mode')
  const name = pairs.get('target') ?? (flag === 'config' ? `/${source}` : source)
  return { source, file: { Name: name, UID: pairs.get('uid') ?? '0', GID: pairs.get('gid') ?? '0', Mode: Number.parseInt(mode, 8) } }
}
