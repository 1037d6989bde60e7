import type { HealthConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { dockerfileError } from './dockerfile-error.ts'
import type { CommandLine, Instruction } from './instruction.ts'
import { nodeOf, type DockerfileNode } from './parse-dockerfile.ts'
import { jsonWords, keyValues, plainWords, quotedWords } from './split-instruction.ts'

type Reader = (node: DockerfileNode, escape: string) => Instruction

/** Understands one instruction. @throws `bad-dockerfile`, `unsupported-instruction` */
export function readInstruction(node: DockerfileNode, escape: string): Instruction {
  const read = READERS[node.keyword]
  if (read === undefined) throw dockerfileError(`unknown instruction: ${node.keyword}`, node.line)
  return read(node, escape)
}

/** A trigger of a base image: FROM, ONBUILD and MAINTAINER have no place there. @throws `bad-dockerfile` */
export function readTrigger(trigger: string, escape: string): Instruction {
  const node = nodeOf(trigger, 1)
  checkTrigger(node)
  return readInstruction(node, escape)
}

const READERS: Readonly<Record<string, Reader>> = {
  FROM: node => {
    const flags = new Flags(node, ['platform'])
    const words = plainWords(node.rest)
    const [image = '', as = '', name] = words
    if (!(words.length === 1 || (words.length === 3 && as.toLowerCase() === 'as'))) throw dockerfileError('FROM requires either one or three arguments', node.line)
    if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name.toLowerCase())) throw dockerfileError(`invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`, node.line)
    return { ...at(node), kind: 'from', image, name: name?.toLowerCase(), platform: flags.one('platform') }
  },
  RUN: node => {
    const flags = new Flags(node, ['mount', 'network', 'security', 'device'])
    const security = flags.one('security')
    if (security !== undefined && security !== 'sandbox') throw unsupported(node, `RUN --security=${security}`, 'build images never run privileged')
    if (flags.one('device') !== undefined) throw unsupported(node, 'RUN --device', 'build steps get no devices')
    return { ...at(node), kind: 'run', command: command(node), heredocs: node.heredocs, mounts: flags.all('mount'), network: flags.one('network') }
  },
  CMD: node => { noFlags(node); return { ...at(node), kind: 'cmd', command: command(node) } },
  ENTRYPOINT: node => { noFlags(node); return { ...at(node), kind: 'entrypoint', command: command(node) } },
  SHELL: node => {
    noFlags(node)
    const words = jsonWords(node.rest)
    if (words === undefined || words.length === 0) throw dockerfileError(words === undefined ? 'SHELL requires the arguments to be in JSON form' : 'SHELL requires at least one argument', node.line)
    return { ...at(node), kind: 'shell', words }
  },
  ENV: (node, escape) => ({ ...at(node), kind: 'env', pairs: pairs(node, escape) }),
  LABEL: (node, escape) => ({ ...at(node), kind: 'label', pairs: pairs(node, escape) }),
  ARG: (node, escape) => {
    noFlags(node)
    const words = quotedWords(node.rest, escape)
    if (words.length === 0) throw dockerfileError('ARG requires at least one argument', node.line)
    const args = words.map(word => {
      const equals = word.indexOf('=')
      const name = equals < 0 ? word : word.slice(0, equals)
      if (name === '') throw dockerfileError('ARG names can not be blank', node.line)
      return [name, equals < 0 ? undefined : word.slice(equals + 1)] as const
    })
    return { ...at(node), kind: 'arg', args }
  },
  EXPOSE: node => {
    noFlags(node)
    const words = plainWords(node.rest)
    if (words.length === 0) throw atLeastOne(node)
    // Docker's reader sorts them, and so says the history.
    return { ...at(node), kind: 'expose', words: [...words].sort() }
  },
  VOLUME: node => {
    noFlags(node)
    const words = jsonWords(node.rest) ?? plainWords(node.rest)
    if (words.length === 0) throw atLeastOne(node)
    if (words.some(word => word.trim() === '')) throw dockerfileError('VOLUME specified can not be an empty string', node.line)
    return { ...at(node), kind: 'volume', words }
  },
  USER: node => ({ ...at(node), kind: 'user', value: single(node) }),
  WORKDIR: node => ({ ...at(node), kind: 'workdir', value: single(node) }),
  STOPSIGNAL: node => ({ ...at(node), kind: 'stopsignal', value: single(node) }),
  MAINTAINER: node => ({ ...at(node), kind: 'maintainer', value: single(node) }),
  ONBUILD: (node, escape) => {
    noFlags(node)
    if (node.rest === '') throw atLeastOne(node)
    const trigger = nodeOf(node.rest, node.line)
    checkTrigger(trigger)
    // What cannot be read should not wait for the image that is built on this one.
    readInstruction({ ...trigger, heredocs: node.heredocs }, escape)
    if (node.heredocs.length > 0) throw unsupported(node, 'a document in ONBUILD', 'the trigger is kept as one line')
    return { ...at(node), kind: 'onbuild', trigger: node.rest }
  },
  HEALTHCHECK: node => ({ ...at(node), kind: 'healthcheck', health: healthcheck(node) }),
  COPY: node => copy(node, 'copy', ['from', 'chown', 'chmod', 'link', 'exclude', 'parents']),
  ADD: node => copy(node, 'add', ['chown', 'chmod', 'link', 'exclude', 'checksum', 'keep-git-dir']),
}

/** "--name=value" or "--name", of a list of known ones. */
class Flags {
  readonly #values: readonly (readonly [name: string, value: string])[]

  constructor(node: DockerfileNode, known: readonly string[]) {
    this.#values = node.flags.map(flag => {
      const [, name = '', value = 'true'] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(flag) ?? []
      if (!known.includes(name)) throw dockerfileError(`Unknown flag: ${name}`, node.line)
      return [name, value] as const
    })
  }

  all(name: string): readonly string[] { return this.#values.filter(([key]) => key === name).map(([, value]) => value) }
  one(name: string): string | undefined { return this.all(name).at(-1) }
}

function at(node: DockerfileNode): { readonly original: string; readonly line: number } { return { original: node.original, line: node.line } }
function noFlags(node: DockerfileNode): void { new Flags(node, []) }
function atLeastOne(node: DockerfileNode): ShoalError { return dockerfileError(`${node.keyword} requires at least one argument`, node.line) }

function command(node: DockerfileNode): CommandLine {
  const words = jsonWords(node.rest)
  return words === undefined ? { shell: true, words: node.rest === '' ? [] : [node.rest] } : { shell: false, words }
}

function pairs(node: DockerfileNode, escape: string): ReturnType<typeof keyValues> {
  noFlags(node)
  if (node.rest === '') throw atLeastOne(node)
  const found = keyValues(node.rest, node.keyword, escape)
  if (found.some(([key]) => key === '')) throw dockerfileError(`${node.keyword} names can not be blank`, node.line)
  return found
}

function single(node: DockerfileNode): string {
  noFlags(node)
  if (node.rest === '') throw dockerfileError(`${node.keyword} requires exactly one argument`, node.line)
  return node.rest
}

function checkTrigger(node: DockerfileNode): void {
  if (node.keyword === 'ONBUILD') throw dockerfileError('Chaining ONBUILD via `ONBUILD ONBUILD` isn\'t allowed', node.line)
  if (node.keyword === 'FROM' || node.keyword === 'MAINTAINER') throw dockerfileError(`${node.keyword} isn't allowed as an ONBUILD trigger`, node.line)
}

function copy(node: DockerfileNode, kind: 'copy' | 'add', known: readonly string[]): Instruction {
  const flags = new Flags(node, known)
  const words = jsonWords(node.rest) ?? plainWords(node.rest)
  if (words.length < 2) {
    throw dockerfileError(`${node.keyword} requires at least two arguments${words.length === 1 ? ', but only one was provided. Destination could not be determined' : ''}`, node.line)
  }
  if (isTrue(flags.one('parents'))) throw unsupported(node, 'COPY --parents', 'name the destination of each file')
  if (isTrue(flags.one('keep-git-dir'))) throw unsupported(node, 'ADD --keep-git-dir', 'clone the repository and copy it')
  const names = node.heredocs.map(document => document.name)
  const sources = words.slice(0, -1).filter(word => !names.some(name => new RegExp(`^\\d*<<-?["']?${name.replace(/[^\w]/g, '\\$&')}["']?$`).test(word)))
  return {
    ...at(node), kind, sources, destination: words.at(-1) ?? '', heredocs: node.heredocs, from: flags.one('from'), chown: flags.one('chown'), chmod: flags.one('chmod'),
    checksum: flags.one('checksum'), exclude: flags.all('exclude'),
  }
}

function isTrue(flag: string | undefined): boolean { return flag !== undefined && flag !== 'false' }

function healthcheck(node: DockerfileNode): HealthConfig {
  const flags = new Flags(node, ['interval', 'timeout', 'start-period', 'start-interval', 'retries'])
  const [, type = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(node.rest) ?? []
  if (type === '') throw atLeastOne(node)
  if (type.toUpperCase() === 'NONE') {
    if (rest !== '') throw dockerfileError('HEALTHCHECK NONE takes no arguments', node.line)
    return { Test: ['NONE'] }
  }
  if (type.toUpperCase() !== 'CMD') throw dockerfileError(`Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`, node.line)
  const words = jsonWords(rest)
  if ((words ?? [rest]).every(word => word === '')) throw dockerfileError('Missing command after HEALTHCHECK CMD', node.line)
  const retries = flags.one('retries')
  if (retries !== undefined && !/^\d+$/.test(retries)) throw dockerfileError(`--retries must be a whole number and at least 0, not ${retries}`, node.line)
  const set = {
    Interval: nanos(flags.one('interval'), node.line), Timeout: nanos(flags.one('timeout'), node.line), StartPeriod: nanos(flags.one('start-period'), node.line),
    StartInterval: nanos(flags.one('start-interval'), node.line), Retries: retries === undefined || Number(retries) === 0 ? undefined : Number(retries),
  }
  return { Test: words === undefined ? ['CMD-SHELL', rest] : ['CMD', ...words], ...Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined && value !== 0)) }
}

const UNIT_NANOS: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6, us: 1e3, 'µs': 1e3, ns: 1 }

/** Go's durations. */
function nanos(text: string | undefined, line: number): number | undefined {
  if (text === undefined) return undefined
  if (text === '0') return 0
  if (/^[\d.]+$/.test(text)) throw dockerfileError(`time: missing unit in duration ${JSON.stringify(text)}`, line)
  if (!/^(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) throw dockerfileError(`time: invalid duration ${JSON.stringify(text)}`, line)
  return [...text.matchAll(/([\d.]+)(h|ms|m|s|us|µs|ns)/g)].reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_NANOS[unit ?? ''] ?? 0), 0)
}

/** An instruction or flag that is known and left out on purpose. */
export function unsupported(node: { readonly line: number }, what: string, reason: string): ShoalError {
  return new ShoalError('not-implemented', 'unsupported-instruction', `dockerfile line ${node.line}: ${what} is not supported by shoal: ${reason}`)
}
