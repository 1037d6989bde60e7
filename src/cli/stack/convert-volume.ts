import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { JsonObject } from '../service/json-path.ts'
import { badStack, type StackFile } from './stack-file.ts'

/** One entry of a service's `volumes`, short ("data:/var/lib:ro", "./a:/b", "/x") or long, to a mount. */
export function convertVolume(stack: string, service: string, volume: unknown, file: StackFile): JsonObject {
  if (typeof volume === 'string') return shortVolume(stack, service, volume, file)
  if (typeof volume !== 'object' || volume === null) throw badStack(`services.${service}.volumes: an entry is neither text nor mapping`)
  const long = volume as Readonly<Record<string, unknown>>
  const source = long['source'] === undefined ? undefined : String(long['source'])
  const options = (key: string): Readonly<Record<string, unknown>> => (long[key] ?? {}) as Readonly<Record<string, unknown>>
  const common = { Target: long['target'], ...(long['read_only'] === true ? { ReadOnly: true } : {}) }
  switch (long['type']) {
    case 'bind':
      return { Type: 'bind', Source: hostPath(source ?? '', file), ...common, ...(options('bind')['propagation'] === undefined ? {} : { BindOptions: { Propagation: options('bind')['propagation'] } }) }
    case 'tmpfs':
      return { Type: 'tmpfs', ...common, ...(options('tmpfs')['size'] === undefined ? {} : { TmpfsOptions: { SizeBytes: Number(options('tmpfs')['size']) } }) }
    case 'volume': {
      const mount = source === undefined ? { Type: 'volume' } : namedVolume(stack, service, source, file)
      const volumeOptions = { ...(mount['VolumeOptions'] as JsonObject | undefined), ...(options('volume')['nocopy'] === true ? { NoCopy: true } : {}), ...(options('volume')['subpath'] === undefined ? {} : { Subpath: options('volume')['subpath'] }) }
      return { ...mount, ...common, VolumeOptions: volumeOptions }
    }
    default: throw badStack(`services.${service}.volumes: volume type must be bind, volume or tmpfs`)
  }
}

function shortVolume(stack: string, service: string, text: string, file: StackFile): JsonObject {
  const parts = text.split(':')
  if (parts.length === 1) return { Type: 'volume', Target: text }
  const [source = '', target, mode = ''] = parts
  const readOnly = mode.split(',').includes('ro') ? { ReadOnly: true } : {}
  if (/^[./~]/.test(source)) return { Type: 'bind', Source: hostPath(source, file), Target: target, ...readOnly }
  return { ...namedVolume(stack, service, source, file), Target: target, ...readOnly }
}

function hostPath(source: string, file: StackFile): string {
  return source.startsWith('~') ? homedir() + source.slice(1) : resolve(file.folder, source)
}

function namedVolume(stack: string, service: string, source: string, file: StackFile): JsonObject {
  const definition = file.volumes[source]
  if (definition === undefined) throw badStack(`undefined volume "${source}" in service ${service}`)
  const external = definition['external']
  if (external === true || (typeof external === 'object' && external !== null)) {
    return { Type: 'volume', Source: typeof external === 'object' && 'name' in external ? String(external.name) : String(definition['name'] ?? source) }
  }
  const driver = definition['driver'] === undefined && definition['driver_opts'] === undefined ? {} : { DriverConfig: { Name: definition['driver'] ?? 'local', Options: definition['driver_opts'] ?? {} } }
  return { Type: 'volume', Source: String(definition['name'] ?? `${stack}_${source}`), VolumeOptions: { Labels: { ...(definition['labels'] as object | undefined), 'com.docker.stack.namespace': stack }, ...driver } }
}
