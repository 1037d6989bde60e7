import { existsSync, readFileSync } from 'node:fs'
import { messageOf } from '../../base/errors.ts'
import type { ParsedFlags } from './parse-flags.ts'
import { badConfig, expectObject } from './setting-types.ts'
import { SETTING_ROWS, type Settings } from './settings.ts'

/** Values by the names of their rows; those of working rows only. */
type Values = Readonly<Record<string, unknown>>

const DEFAULT_CONFIG_FILE = '/etc/shoal/daemon.json'
/** daemon.json groups these; their members count like keys. */
const GROUPS: readonly string[] = ['proxies']

/** All settings: flags over the file over the fallbacks. @throws `bad-daemon-config` */
export function readSettings(flags: ParsedFlags): Settings {
  const fallbacks = Object.fromEntries(SETTING_ROWS.flatMap(([name, setting]) => (setting.kind === 'working' ? [[name, setting.fallback] as const] : [])))
  return { ...fallbacks, ...readFile(flags), ...flagValues(flags) } as unknown as Settings
}

/**
 * What SIGHUP makes of `current`: the reloadable settings that the file names now have its values; one that the file no longer names stays as it was, as in dockerd.
 * @throws `bad-daemon-config`, and then nothing changes
 */
export function reloadSettings(flags: ParsedFlags, current: Settings): { readonly settings: Settings; readonly changed: readonly string[]; readonly needRestart: readonly string[] } {
  const fresh = readFile(flags)
  const differs = (name: string): boolean => name in fresh && JSON.stringify(fresh[name]) !== JSON.stringify(current[name as keyof Settings])
  const rows = SETTING_ROWS.filter(([name]) => differs(name))
  const reloadable = rows.filter(([, setting]) => setting.kind === 'working' && setting.reloadable)
  return {
    settings: { ...current, ...Object.fromEntries(reloadable.map(([name]) => [name, fresh[name]])) },
    changed: reloadable.map(([, setting]) => setting.key),
    needRestart: rows.filter(row => !reloadable.includes(row)).map(([, setting]) => setting.key),
  }
}

function flagValues(flags: ParsedFlags): Values {
  return Object.fromEntries(SETTING_ROWS.flatMap(([name, setting]) => {
    const words = flags.words.get(setting.key)
    if (words === undefined) return []
    const value = setting.type.fromFlag(words, setting.key)
    if (setting.kind === 'refused') expectHarmless(`--${setting.flag?.match(/--([a-z0-9-]+)/)?.[1] ?? setting.key}`, value, setting)
    return setting.kind === 'working' ? [[name, value] as const] : []
  }))
}

function readFile({ words, configFile }: ParsedFlags): Values {
  if (configFile === '' && !existsSync(DEFAULT_CONFIG_FILE)) return {}
  const file = configFile === '' ? DEFAULT_CONFIG_FILE : configFile
  try {
    return fileValues(readFileSync(file, 'utf8'), words)
  } catch (cause) {
    throw badConfig(`unable to configure the daemon with file ${file}: ${messageOf(cause)}`)
  }
}

/** An empty file is an empty configuration. */
function fileValues(text: string, flags: ReadonlyMap<string, unknown>): Values {
  if (text.trim() === '') return {}
  const given = flatten(expectObject(JSON.parse(text), 'the file'))
  const rows = new Map(SETTING_ROWS.map(row => [row[1].key, row]))
  const unknown = Object.keys(given).filter(key => !rows.has(key))
  if (unknown.length > 0) throw badConfig(`the following directives don't match any configuration option: ${unknown.join(', ')}`)
  const twice = Object.keys(given).filter(key => flags.has(key))
  if (twice.length > 0) throw badConfig(`the following directives are specified both as a flag and in the configuration file: ${twice.map(key => `${key}: (from flag: ${String(flags.get(key))}, from file: ${fileText(given[key])})`).join(', ')}`)
  return Object.fromEntries(Object.entries(given).flatMap(([key, json]) => {
    const row = rows.get(key)
    if (row === undefined || json === null) return []
    const [name, setting] = row
    const value = setting.type.fromJson(json, key)
    if (setting.kind === 'refused') expectHarmless(key, value, setting)
    return setting.kind === 'working' ? [[name, value] as const] : []
  }))
}

function flatten(object: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(object).flatMap(([key, value]) => (GROUPS.includes(key) ? Object.entries(expectObject(value, key)) : [[key, value] as const])))
}

function fileText(value: unknown): string { return typeof value === 'string' ? value : JSON.stringify(value) }

function expectHarmless(name: string, value: unknown, { unless, why }: { readonly unless: unknown; readonly why: string }): void {
  if (JSON.stringify(value) !== JSON.stringify(unless)) throw badConfig(`${name} is refused: ${why}`)
}
