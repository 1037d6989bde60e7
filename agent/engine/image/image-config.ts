import type { ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { malformedImage } from './malformed-image.ts'

/** The image configuration of the OCI image specification; its bytes' digest is the image's id. */
export interface ImageConfigFile {
  readonly architecture?: string
  readonly os?: string
  readonly variant?: string
  readonly created?: string
  readonly author?: string
  readonly comment?: string
  readonly docker_version?: string
  readonly config?: ImageConfig
  readonly rootfs?: { readonly type?: string; readonly diff_ids?: readonly string[] }
  readonly history?: readonly { readonly created?: string; readonly created_by?: string; readonly comment?: string; readonly author?: string; readonly empty_layer?: boolean }[]
}

/** Throws unless the value is as it should be; `path` is for the message. */
type Check = (value: unknown, path: string) => void

/**
 * Reads a configuration that came from outside: whoever uses it later need not ask again whether Env is a list.
 * Null counts as absent, fields we do not use may be anything. @throws `malformed-image` naming the field
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfigFile {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString())
  } catch (cause) {
    throw malformedImage('its configuration is not JSON', cause)
  }
  if (value === null) throw mismatch('', 'an object')
  FILE(value, '')
  return value as ImageConfigFile
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

function object(fields: Readonly<Record<string, Check>>): Check {
  return (value, path) => {
    if (!isObject(value)) throw mismatch(path, 'an object')
    for (const [name, check] of Object.entries(fields)) {
      const field = Object.hasOwn(value, name) ? value[name] : undefined
      if (field !== undefined && field !== null) check(field, path === '' ? name : `${path}.${name}`)
    }
  }
}

function list(item: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) throw mismatch(path, 'a list')
    value.forEach((each, index) => item(each, `${path}[${index}]`))
  }
}

function map(item: Check): Check {
  return (value, path) => {
    if (!isObject(value)) throw mismatch(path, 'an object')
    for (const [key, each] of Object.entries(value)) item(each, `${path}.${key}`)
  }
}

const text: Check = (value, path) => { if (typeof value !== 'string') throw mismatch(path, 'a text') }
const flag: Check = (value, path) => { if (typeof value !== 'boolean') throw mismatch(path, 'true or false') }
const integer: Check = (value, path) => { if (!Number.isSafeInteger(value)) throw mismatch(path, 'an integer') }
const time: Check = (value, path) => { if (typeof value !== 'string' || (value !== '' && Number.isNaN(Date.parse(value)))) throw mismatch(path, 'a time') }
const digest: Check = (value, path) => { if (typeof value !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(value)) throw mismatch(path, 'a digest "sha256:…"') }
const anyObject: Check = (value, path) => { if (!isObject(value)) throw mismatch(path, 'an object') }

const FILE = object({
  architecture: text, os: text, variant: text, created: time, author: text, comment: text, docker_version: text,
  rootfs: object({ type: text, diff_ids: list(digest) }),
  history: list(object({ created: time, created_by: text, comment: text, author: text, empty_layer: flag })),
  config: object({
    User: text, Env: list(text), Cmd: list(text), Entrypoint: list(text), WorkingDir: text, StopSignal: text, Shell: list(text), OnBuild: list(text), ArgsEscaped: flag,
    Labels: map(text), ExposedPorts: map(anyObject), Volumes: map(anyObject),
    Healthcheck: object({ Test: list(text), Interval: integer, Timeout: integer, StartPeriod: integer, StartInterval: integer, Retries: integer }),
  }),
})

function mismatch(path: string, wanted: string): Error {
  return malformedImage(`in its configuration, ${path === '' ? 'the whole' : path} must be ${wanted}`)
}
