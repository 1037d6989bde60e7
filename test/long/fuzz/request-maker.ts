import { readFileSync } from 'node:fs'
import { randomInt, type Random } from '../../../src/base/random.ts'

/** What a request body may look like, from the API's description: a primitive's name, a list of one shape, an object; `*` stands for any key. */
type Shape = string | readonly Shape[] | { readonly [field: string]: Shape }
export interface Operation { readonly method: string; readonly path: string; readonly query: Readonly<Record<string, string>>; readonly body?: Shape }
export interface FuzzedRequest { readonly operation: Operation; readonly target: string; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer | undefined }

/** A container, image, network and volume of these names are there, most of the time. */
export const FIXTURE = 'fixture'
const STRINGS = [
  '', 'x', FIXTURE, 'busybox', 'busybox:latest', 'default', 'host', 'bridge', 'none', 'container:fixture', 'local', '0', '-1', '1e9', 'true', '/tmp', '/', '../../etc/passwd', 'a/b', 'a=b', '=', ':', '::', 'a:b:c:d', '10.77.0.0/24', '10.77.0.9',
  '0.0.0.0/0', '::1', '999.1.1.1', '80/tcp', '80:80', '99999/udp', 'SIGTERM', 'SIGBOGUS', 'always', 'rw', 'ro', 'tcp', '{{.Nope}}', '{"a":', '\u0000', '\u{1f41f}', '\ufffd', 'é'.repeat(300), 'x'.repeat(5_000), 'con\r\ntent', '%00', '%', 'bind', 'volume', 'tmpfs',
  '2026-01-01T00:00:00Z', '10m', 'ALL', 'NET_ADMIN', 'seccomp=x', 'nofile', 'json-file', 'healthy', 'label', '__proto__', 'constructor',
] as const
const NUMBERS = [0, 1, -1, 2, 80, 1.5, 65_536, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 9.3e18, 1e308, -1e308, 6e6, 67_108_864] as const
const WRONG: readonly unknown[] = [null, true, false, 0, -1, 'x', '', [], {}, [null], [[]], { x: null }, { '': '' }, 1e308, [{}, 1, 'x']]
const FILTERS = ['label', 'name', 'id', 'status', 'dangling', 'driver', 'type', 'until', 'before', 'since', 'reference', 'ancestor', 'exited', 'health', 'event', 'bogus']
const HEADERS: readonly Readonly<Record<string, string>>[] = [{}, {}, {}, { 'content-type': 'text/plain' }, { 'content-type': 'application/json; charset=utf-16' }, { 'x-registry-auth': 'bogus' }, { 'x-registry-config': '{}' }, { 'content-encoding': 'gzip' }, { expect: '100-continue' }, { accept: 'x' }, { cookie: 'x'.repeat(3_000) }]
const VERSIONS = ['', '/v1.41', '/v1.50', '/v1.24', '/v1.45', '/v1.23', '/v9.9', '/v1.x']
const DEPTH_MAX = 7
const NESTING = 20_000

export function readOperations(): readonly Operation[] { return JSON.parse(readFileSync('test/long/fuzz/operations.json', 'utf8')) as readonly Operation[] }

/** Makes requests that are nearly right, and less so: each from the shape of an operation, with some of it spoiled. */
export class RequestMaker {
  readonly #random: Random
  readonly #operations: readonly Operation[]

  constructor(random: Random, operations: readonly Operation[]) {
    this.#random = random
    this.#operations = operations
  }

  next(): FuzzedRequest {
    const operation = this.#oneOf(this.#operations)
    const path = operation.path.replace(/\{[^}]+\}/g, () => this.#chance(0.25) ? FIXTURE : encodeURIComponent(this.#string()) || 'x')
    const query = Object.entries(operation.query).filter(() => this.#chance(0.4)).map(([name, type]) => `${name}=${encodeURIComponent(this.#parameter(name, type))}`)
    const body = operation.body === undefined ? (this.#chance(0.1) ? Buffer.from('{}') : undefined) : this.#body(operation.body)
    return {
      operation, target: `${this.#oneOf(VERSIONS.slice(0, this.#chance(0.9) ? 3 : VERSIONS.length))}${path}${query.length === 0 ? '' : `?${query.join('&')}`}`,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...this.#oneOf(HEADERS) }, body,
    }
  }

  #parameter(name: string, type: string): string {
    if (name === 'filters' && this.#chance(0.7)) return JSON.stringify({ [this.#oneOf(FILTERS)]: this.#chance(0.8) ? [this.#string()] : this.#oneOf(WRONG) })
    if (type === 'integer' && this.#chance(0.6)) return String(this.#oneOf(NUMBERS))
    if (type === 'boolean' && this.#chance(0.6)) return this.#oneOf(['0', '1', 'true', 'false'])
    return this.#string()
  }

  #body(shape: Shape): Buffer {
    if (this.#chance(0.03)) return Buffer.from(this.#random.bytes(1 + randomInt(this.#random, 400)))
    if (this.#chance(0.01)) return Buffer.from(this.#oneOf(['['.repeat(NESTING), '{"a":'.repeat(NESTING), `${'['.repeat(NESTING)}${']'.repeat(NESTING)}`, '', ' ', 'null', '[]', '""', '0', 'nul', `{"Name":"${'x'.repeat(200_000)}"}`]))
    const text = JSON.stringify(this.#value(shape, 0)) ?? 'null'
    return this.#spoil(text)
  }

  /** A value of the shape; now and then one of another. */
  #value(shape: Shape, depth: number): unknown {
    if (depth > DEPTH_MAX || this.#chance(0.06)) return this.#oneOf(WRONG)
    if (typeof shape === 'string') return this.#primitive(shape)
    if (Array.isArray(shape)) return Array.from({ length: randomInt(this.#random, 3) }, () => this.#value((shape as readonly Shape[])[0] ?? 'any', depth + 1))
    const share = depth === 0 ? 0.25 : 0.3
    const fields = Object.entries(shape).flatMap(([name, inner]) => name === '*' ? [[this.#string(), inner] as const] : name === 'Image' || this.#chance(share) ? [[name, inner] as const] : [])
    const value = Object.fromEntries(fields.map(([name, inner]) => [name, name === 'Image' && this.#chance(0.8) ? 'busybox' : this.#value(inner, depth + 1)]))
    if (this.#chance(0.05)) Object.defineProperty(value, this.#string(), { value: this.#oneOf(WRONG), enumerable: true })
    return value
  }

  #primitive(name: string): unknown {
    switch (name) {
      case 'integer': case 'number': return this.#oneOf(NUMBERS)
      case 'boolean': return this.#chance(0.5)
      case 'string': return this.#string()
      default: return this.#oneOf(WRONG)
    }
  }

  /** JSON that is none any more, or says a field twice. */
  #spoil(text: string): Buffer {
    const at = randomInt(this.#random, text.length)
    switch (randomInt(this.#random, 40)) {
      case 0: return Buffer.from(text.slice(0, at))
      case 1: return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(this.#random.bytes(3)), Buffer.from(text.slice(at))])
      case 2: return Buffer.from(text.replace(/\{("[^"]*":)/, '{$1null,$1'))
      case 3: return Buffer.from(`${text}${text}`)
      case 4: return Buffer.from(text.replace(/\d+/, '123456789012345678901234567890'))
      case 5: return Buffer.concat([Buffer.from('\ufeff'), Buffer.from(text)])
      default: return Buffer.from(text)
    }
  }

  #string(): string { return this.#chance(0.03) ? Buffer.from(this.#random.bytes(8)).toString('latin1') : this.#oneOf(STRINGS) }
  #chance(share: number): boolean { return this.#random.next() < share }
  #oneOf<T>(all: readonly T[]): T { return all[randomInt(this.#random, all.length)] as T }
}
