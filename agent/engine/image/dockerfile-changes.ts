import type { HealthConfig, ImageConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { splitWords } from './split-words.ts'

type Change = (config: ImageConfig, rest: string) => ImageConfig

/**
 * Applies Dockerfile instructions (docker import --change) to a configuration.
 * @throws `invalid-change` (invalid-argument) for what is no such instruction
 */
export function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  return changes.filter(line => line.trim() !== '').reduce((current, line) => {
    const [, name = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(line) ?? []
    const change = CHANGES[name.toUpperCase()]
    if (change === undefined) throw invalid(`${name.toLowerCase()} is not a valid change command`)
    if (rest === '') throw invalid(`${name.toUpperCase()} requires at least one argument`)
    return change(current, rest)
  }, config)
}

const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (config, rest) => ({ ...config, Cmd: command(rest) }),
  ENTRYPOINT: (config, rest) => ({ ...config, Entrypoint: command(rest) }),
  ENV: (config, rest) => {
    const pairs = keyValues(rest)
    const names = new Set(pairs.map(([key]) => key))
    return { ...config, Env: [...(config.Env ?? []).filter(entry => !names.has(entry.split('=')[0] ?? '')), ...pairs.map(([key, value]) => `${key}=${value}`)] }
  },
  LABEL: (config, rest) => ({ ...config, Labels: { ...config.Labels, ...Object.fromEntries(keyValues(rest)) } }),
  EXPOSE: (config, rest) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(splitWords(rest).map(port => [exposed(port), {}])) } }),
  VOLUME: (config, rest) => ({ ...config, Volumes: { ...config.Volumes, ...Object.fromEntries((json(rest) ?? splitWords(rest)).map(path => [path, {}])) } }),
  USER: (config, rest) => ({ ...config, User: required(rest, 'USER') }),
  WORKDIR: (config, rest) => ({ ...config, WorkingDir: workdir(config.WorkingDir, required(rest, 'WORKDIR')) }),
  STOPSIGNAL: (config, rest) => ({ ...config, StopSignal: required(rest, 'STOPSIGNAL') }),
  ONBUILD: (config, rest) => ({ ...config, OnBuild: [...config.OnBuild ?? [], required(rest, 'ONBUILD')] }),
  HEALTHCHECK: (config, rest) => ({ ...config, Healthcheck: healthcheck(rest) }),
}

function command(text: string): readonly string[] { return json(text) ?? ['/bin/sh', '-c', text] }

function json(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const value = JSON.parse(text) as unknown
    return Array.isArray(value) && value.every(item => typeof item === 'string') ? value as string[] : undefined
  } catch {
    return undefined
  }
}

/** "A=1 B=\"x y\"", or the old form "A some words". */
function keyValues(text: string): readonly (readonly [string, string])[] {
  const words = splitWords(text)
  if (words[0] !== undefined && !words[0].includes('=')) {
    const [, key = '', value = ''] = /^(\S+)\s+([\s\S]*)$/.exec(text) ?? []
    if (key === '') throw invalid(`${text} needs a value`)
    return [[key, value]]
  }
  return words.map(word => {
    const at = word.indexOf('=')
    if (at < 1) throw invalid(`${word} must be in the form name=value`)
    return [word.slice(0, at), word.slice(at + 1)] as const
  })
}

function exposed(port: string): string {
  if (!/^\d+(-\d+)?(\/(tcp|udp|sctp))?$/i.test(port)) throw invalid(`invalid port ${port}`)
  return port.includes('/') ? port.toLowerCase() : `${port}/tcp`
}

function workdir(before: string | undefined, path: string): string {
  return path.startsWith('/') ? path : `${before === undefined || before === '/' ? '' : before}/${path}`
}

function healthcheck(text: string): HealthConfig {
  if (/^none$/i.test(text)) return { Test: ['NONE'] }
  const [, flags = '', rest = ''] = /^((?:--\S+\s+)*)CMD\s+([\s\S]+)$/i.exec(text) ?? []
  if (rest === '') throw invalid('HEALTHCHECK must be NONE or [--interval=…] CMD command')
  const options = Object.fromEntries(splitWords(flags).map(flag => flag.replace(/^--/, '').split('='))) as Record<string, string>
  return {
    Test: json(rest) === undefined ? ['CMD-SHELL', rest] : ['CMD', ...json(rest) ?? []],
    Interval: nanos(options['interval']), Timeout: nanos(options['timeout']), StartPeriod: nanos(options['start-period']), StartInterval: nanos(options['start-interval']),
    Retries: options['retries'] === undefined ? undefined : Number(options['retries']),
  }
}

const UNIT_NANOS: Readonly<Record<string, number>> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6 }
function nanos(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)]
  if (parts.length === 0) throw invalid(`invalid duration ${text}`)
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_NANOS[unit ?? ''] ?? 0), 0)
}

function required(text: string, name: string): string {
  if (text === '') throw invalid(`${name} requires an argument`)
  return text
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-change', message) }
