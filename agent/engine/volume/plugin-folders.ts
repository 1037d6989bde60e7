import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShoalError } from '../../../src/base/errors.ts'
import type { PluginAddress } from './plugin-client.ts'

/** Where plugins say how they are reached: by a socket of their name, or by a file that names the address. */
export interface PluginFolders { readonly sockets: string; readonly specs: readonly string[] }

export const DOCKER_PLUGIN_FOLDERS: PluginFolders = { sockets: '/run/docker/plugins', specs: ['/etc/docker/plugins', '/usr/lib/docker/plugins'] }

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/** Names of what could be plugins, whatever they turn out to be. */
export function pluginNames({ sockets, specs }: PluginFolders): readonly string[] {
  const of = (folder: string, endings: RegExp): readonly string[] => namesIn(folder).flatMap(name => {
    const stem = endings.test(name) ? name.replace(endings, '') : name
    return stem !== name || existsSync(join(folder, name, `${name}.sock`)) ? [stem] : []
  })
  return [...new Set([...of(sockets, /\.sock$/), ...specs.flatMap(folder => of(folder, /\.(spec|json)$/))])].filter(name => NAME.test(name)).sort()
}

/**
 * How a plugin is reached; undefined when there is none of that name.
 * @throws ShoalError `bad-plugin-spec` (failed-precondition)
 */
export function pluginAddress({ sockets, specs }: PluginFolders, name: string): PluginAddress | undefined {
  if (!NAME.test(name)) return undefined
  for (const path of [join(sockets, `${name}.sock`), join(sockets, name, `${name}.sock`)]) if (existsSync(path)) return { kind: 'unix', path }
  for (const folder of specs.flatMap(each => [each, join(each, name)])) {
    const spec = join(folder, `${name}.spec`)
    if (existsSync(spec)) return parseAddress(readFileSync(spec, 'utf8').trim(), spec)
    const json = join(folder, `${name}.json`)
    if (existsSync(json)) return fromJson(json)
  }
  return undefined
}

function fromJson(path: string): PluginAddress {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new ShoalError('failed-precondition', 'bad-plugin-spec', `${path} is not JSON; correct it`, { cause })
  }
  const { Addr, TLSConfig } = (typeof value === 'object' && value !== null ? value : {}) as { Addr?: unknown; TLSConfig?: unknown }
  if (TLSConfig !== undefined && TLSConfig !== null) throw new ShoalError('failed-precondition', 'bad-plugin-spec', `${path} asks for TLS, which plugins are not called with; let the plugin listen on a Unix socket`)
  return parseAddress(typeof Addr === 'string' ? Addr : '', path)
}

function parseAddress(text: string, path: string): PluginAddress {
  const unix = /^unix:\/\/(\/.+)$/.exec(text)
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] }
  const tcp = /^(?:tcp|http):\/\/([^:/]+):(\d+)\/?$/.exec(text)
  if (tcp?.[1] !== undefined) return { kind: 'tcp', host: tcp[1], port: Number(tcp[2]) }
  throw new ShoalError('failed-precondition', 'bad-plugin-spec', `${path} must name the plugin's address as unix:///path or tcp://host:port, not "${text.slice(0, 100)}"`)
}

function namesIn(folder: string): readonly string[] { return existsSync(folder) ? readdirSync(folder) : [] }
