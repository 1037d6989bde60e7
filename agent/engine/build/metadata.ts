import type { HealthConfig, ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { parseSignal } from '../container/signals.ts'
import type { BuildArguments } from './build-arguments.ts'
import { expandWord, expandWords } from './expand-word.ts'
import type { CommandLine, Instruction } from './instruction.ts'

export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c']
export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What a stage has come to: the image's configuration as the next step sees it. */
export interface StageConfig {
  readonly config: ImageConfig
  readonly author: string
  /** This stage has a CMD of its own. */
  readonly hasCmd: boolean
}

/** Instructions that change nothing but the configuration. */
export type MetadataInstruction = Exclude<Instruction, { readonly kind: 'from' | 'run' | 'copy' | 'add' | 'workdir' }>

export interface MetadataContext { readonly args: BuildArguments; readonly escape: string }

/** Applies one of them. `comment` is what history says, as Docker's classic builder words it. @throws `bad-substitution`, `bad-dockerfile` */
export function applyMetadata(stage: StageConfig, instruction: MetadataInstruction, { args, escape }: MetadataContext): { readonly stage: StageConfig; readonly comment: string } {
  const variables = visibleVariables(stage.config, args)
  const expand = (word: string): string => expandWord(word, variables, escape)
  const withConfig = (change: ImageConfig, comment: string): { readonly stage: StageConfig; readonly comment: string } => ({ stage: { ...stage, config: { ...stage.config, ...change } }, comment })
  switch (instruction.kind) {
    case 'env': {
      const pairs = instruction.pairs.map(([key, value]) => [expand(key), expand(value)] as const)
      return withConfig({ Env: mergedEnv(stage.config.Env ?? [], pairs) }, `ENV ${pairs.map(pair => pair.join('=')).join(' ')}`)
    }
    case 'label': {
      const pairs = instruction.pairs.map(([key, value]) => [expand(key), expand(value)] as const)
      return withConfig({ Labels: { ...stage.config.Labels, ...Object.fromEntries(pairs) } }, `LABEL ${pairs.map(pair => pair.join('=')).join(' ')}`)
    }
    case 'arg': {
      const declared = instruction.args.map(([name, value]) => [name, value === undefined ? undefined : expand(value)] as const)
      for (const [name, value] of declared) args.declare(name, value)
      return { stage, comment: `ARG ${declared.map(([name, value]) => value === undefined ? name : `${name}=${value}`).join(' ')}` }
    }
    case 'cmd': {
      const words = commandWords(instruction.command, stage.config)
      const changed = withConfig({ Cmd: words }, `CMD ${quotedList(words)}`)
      return { ...changed, stage: { ...changed.stage, hasCmd: words.length > 0 } }
    }
    case 'entrypoint': {
      const words = commandWords(instruction.command, stage.config)
      return withConfig({ Entrypoint: words.length === 0 ? null as unknown as readonly string[] : words, ...(stage.hasCmd ? {} : { Cmd: null as unknown as readonly string[] }) }, `ENTRYPOINT ${quotedList(words)}`)
    }
    case 'shell': return withConfig({ Shell: instruction.words }, `SHELL [${instruction.words.join(' ')}]`)
    case 'expose': {
      const words = instruction.words.flatMap(word => expandWords(word, variables, escape))
      return withConfig({ ExposedPorts: { ...stage.config.ExposedPorts, ...Object.fromEntries(words.flatMap(exposedPorts).map(port => [port, {}])) } }, `EXPOSE ${words.join(' ')}`)
    }
    case 'volume': {
      const words = instruction.words.map(expand)
      if (words.some(word => word.trim() === '')) throw new ShoalError('invalid-argument', 'bad-dockerfile', 'VOLUME specified can not be an empty string')
      return withConfig({ Volumes: { ...stage.config.Volumes, ...Object.fromEntries(words.map(word => [word, {}])) } }, `VOLUME [${words.join(' ')}]`)
    }
    case 'user': { const user = expand(instruction.value); return withConfig({ User: user }, `USER ${user}`) }
    case 'stopsignal': {
      const signal = expand(instruction.value)
      checkSignal(signal)
      return withConfig({ StopSignal: signal }, `STOPSIGNAL ${signal}`)
    }
    case 'maintainer': return { stage: { ...stage, author: instruction.value }, comment: `MAINTAINER ${instruction.value}` }
    case 'onbuild': return withConfig({ OnBuild: [...stage.config.OnBuild ?? [], instruction.trigger] }, `ONBUILD ${instruction.trigger}`)
    // What it leaves out stays as it was.
    case 'healthcheck': return withConfig({ Healthcheck: { ...stage.config.Healthcheck, ...instruction.health } }, `HEALTHCHECK ${healthComment(instruction.health)}`)
  }
}

/** Environment and arguments that words of an instruction may name. */
export function visibleVariables(config: ImageConfig, args: BuildArguments): ReadonlyMap<string, string> {
  const environment = environmentOf(config)
  return new Map([...args.visible(environment), ...environment])
}

export function environmentOf(config: ImageConfig): ReadonlyMap<string, string> {
  return new Map((config.Env ?? []).map(entry => { const at = entry.indexOf('='); return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)] }))
}

/** A command with its shell. */
export function commandWords(command: CommandLine, config: ImageConfig): readonly string[] {
  return command.shell ? [...shellOf(config), ...command.words] : command.words
}

export function shellOf(config: ImageConfig): readonly string[] {
  const own = config.Shell
  return own === undefined || own === null || own.length === 0 ? DEFAULT_SHELL : own
}

function mergedEnv(before: readonly string[], pairs: readonly (readonly [string, string])[]): readonly string[] {
  const result = [...before]
  for (const [key, value] of pairs) {
    const at = result.findIndex(entry => entry.split('=', 1)[0] === key)
    if (at < 0) result.push(`${key}=${value}`)
    else result[at] = `${key}=${value}`
  }
  return result
}

/** As Go's %q prints a list of strings. */
function quotedList(words: readonly string[]): string { return `[${words.map(word => JSON.stringify(word)).join(' ')}]` }

function healthComment(health: HealthConfig): string {
  const seconds = (nanos: number | undefined): string => `"${goDuration(nanos ?? 0)}"`
  return `&{${quotedList(health.Test ?? [])} ${seconds(health.Interval)} ${seconds(health.Timeout)} ${seconds(health.StartPeriod)} '\\x${(health.Retries ?? 0).toString(16).padStart(2, '0')}'}`
}

/** "1m30s" and so on. */
function goDuration(nanos: number): string {
  if (nanos < 1e9) return nanos === 0 ? '0s' : nanos >= 1e6 ? `${nanos / 1e6}ms` : nanos >= 1e3 ? `${nanos / 1e3}µs` : `${nanos}ns`
  const hours = Math.floor(nanos / 3.6e12)
  const minutes = Math.floor(nanos % 3.6e12 / 6e10)
  const seconds = nanos % 6e10 / 1e9
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}

/** "80", "80-82/udp", "8080:80/tcp": the container's side of it. */
function exposedPorts(word: string): readonly string[] {
  const [, ports = '', protocol = 'tcp'] = /^(.*?)(?:\/([^/]*))?$/.exec(word) ?? []
  if (!/^(tcp|udp|sctp)$/i.test(protocol)) throw badPort(`Invalid proto: ${protocol}`)
  const own = ports.slice(ports.lastIndexOf(':') + 1)
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(own) ?? []
  if (first === '' || Number(last) > 65_535 || Number(first) > Number(last)) throw badPort(`Invalid containerPort: ${own}`)
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_none, at) => `${Number(first) + at}/${protocol.toLowerCase()}`)
}

function badPort(message: string): ShoalError { return new ShoalError('invalid-argument', 'bad-dockerfile', message) }

function checkSignal(signal: string): void {
  try {
    parseSignal(signal)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'bad-dockerfile', `Invalid signal: ${signal}`, { cause })
  }
}
