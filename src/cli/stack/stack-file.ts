import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { ShoalError, messageOf } from '../../base/errors.ts'
import { interpolateTree } from './interpolate.ts'

/** A section of a stack file: entries by name. */
export type Section = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export interface StackFile {
  /** Folder that relative paths start from. */
  readonly folder: string
  readonly services: Section
  readonly networks: Section
  readonly volumes: Section
  readonly secrets: Section
  readonly configs: Section
}

const SECTIONS = ['services', 'networks', 'volumes', 'secrets', 'configs'] as const

/**
 * Reads one or several stack files; later ones override earlier ones, entry by entry. "-" is standard input, given as `stdin`.
 * @throws ShoalError `bad-stack-file`
 */
export function readStackFiles(paths: readonly string[], environment: Readonly<Record<string, string | undefined>>, stdin: string): StackFile {
  const documents = paths.map(path => readDocument(path, environment, stdin))
  const section = (name: typeof SECTIONS[number]): Section => documents.reduce<Section>((merged, document) => mergeSection(merged, document[name] ?? {}), {})
  const first = paths[0] ?? '-'
  const file = { folder: first === '-' ? resolve('.') : dirname(resolve(first)), services: section('services'), networks: section('networks'), volumes: section('volumes'), secrets: section('secrets'), configs: section('configs') }
  if (Object.keys(file.services).length === 0) throw badStack(`${paths.join(', ')}: there are no services in it`)
  return file
}

function readDocument(path: string, environment: Readonly<Record<string, string | undefined>>, stdin: string): Partial<Record<typeof SECTIONS[number], Section>> {
  let document: unknown
  try {
    document = parse(path === '-' ? stdin : readFileSync(path, 'utf8'), { merge: true })
  } catch (cause) {
    throw badStack(`${path}: ${messageOf(cause)}`, cause)
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw badStack(`${path}: Top-level object must be a mapping`)
  for (const key of Object.keys(document)) {
    if (![...SECTIONS, 'version', 'name'].includes(key) && !key.startsWith('x-')) throw badStack(`${path}: Additional property ${key} is not allowed`)
  }
  const resolved = interpolateTree(document, environment) as Record<string, unknown>
  for (const name of SECTIONS) {
    const entries = resolved[name] ?? {}
    if (typeof entries !== 'object' || Array.isArray(entries)) throw badStack(`${path}: ${name} must be a mapping`)
    resolved[name] = Object.fromEntries(Object.entries(entries as object).map(([key, value]) => {
      if (value !== null && value !== undefined && typeof value !== 'object') throw badStack(`${path}: ${name}.${key} must be a mapping`)
      return [key, value ?? {}]
    }))
  }
  return resolved
}

/** Later wins: maps are merged by key, lists joined, everything else replaced. */
function mergeSection(base: Section, over: Section): Section {
  return mergeValue(base, over) as Section
}
function mergeValue(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(over)) return [...base, ...over]
  if (!isMap(base) || !isMap(over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) merged[key] = key in merged && key !== 'command' && key !== 'entrypoint' ? mergeValue(merged[key], value) : value
  return merged
}
function isMap(value: unknown): value is Record<string, unknown> { return typeof value === 'object' && value !== null && !Array.isArray(value) }

export function badStack(message: string, cause?: unknown): ShoalError {
  return new ShoalError('invalid-argument', 'bad-stack-file', message, { cause })
}
