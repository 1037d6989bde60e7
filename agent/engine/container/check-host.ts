import type { ContainerConfig, HealthConfig, HostConfig, RestartPolicy } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { checkDeviceRequests } from '../runtime/cdi.ts'
import { securityOptions } from '../runtime/security-options.ts'
import type { HostFacts } from './host-facts.ts'
import { parseSignal } from './signals.ts'

const PORT_MAX = 65_535
const NANOS_PER_MS = 1e6
const RESTART_POLICIES: readonly string[] = ['', 'no', 'always', 'unless-stopped', 'on-failure']

/** @throws `no-command`, `invalid-config`, `invalid-signal` (invalid-argument), with dockerd's texts */
export function checkConfig(config: ContainerConfig): void {
  if ((config.Entrypoint ?? []).length + (config.Cmd ?? []).length === 0) throw invalid('no-command', 'no command specified')
  if (config.WorkingDir !== undefined && config.WorkingDir !== '' && !config.WorkingDir.startsWith('/')) throw invalid('invalid-config', `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`)
  if (config.StopSignal !== undefined && config.StopSignal !== null && config.StopSignal !== '') parseSignal(config.StopSignal)
  for (const entry of config.Env ?? []) if (entry.startsWith('=') || entry === '') throw invalid('invalid-config', `invalid environment variable: ${entry}`)
  if (config.Healthcheck !== undefined && config.Healthcheck !== null) checkHealth(config.Healthcheck)
}

function checkHealth(health: HealthConfig): void {
  for (const [key, label] of [['Interval', 'Interval'], ['Timeout', 'Timeout'], ['StartPeriod', 'StartPeriod'], ['StartInterval', 'StartInterval']] as const) {
    const nanos = health[key] ?? 0
    if (nanos !== 0 && nanos < NANOS_PER_MS) throw invalid('invalid-config', `${label} in Healthcheck cannot be less than 1ms`)
  }
  if ((health.Retries ?? 0) < 0) throw invalid('invalid-config', 'Retries in Healthcheck cannot be negative')
}

/** What of a host configuration stands by itself. @throws ShoalError (invalid-argument), with dockerd's texts */
export function checkHost(host: HostConfig, facts: HostFacts): void {
  checkRestartPolicy(host.RestartPolicy ?? {})
  if (host.AutoRemove === true && !['', 'no'].includes(host.RestartPolicy?.Name ?? '')) throw invalid('invalid-config', `can't create 'AutoRemove' container with restart policy`)
  checkPorts(host)
  checkExtraHosts(host.ExtraHosts ?? [])
  securityOptions(host.SecurityOpt ?? [])
  checkDeviceRequests(host)
  if (host.OomScoreAdj !== undefined && (host.OomScoreAdj < -1000 || host.OomScoreAdj > 1000)) throw invalid('invalid-config', `Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`)
  if (host.ShmSize !== undefined && host.ShmSize < 0) throw invalid('invalid-config', 'SHM size can not be less than 0')
  for (const key of Object.keys(host.StorageOpt ?? {})) {
    throw invalid('unsupported-storage-option', key.toLowerCase() === 'size' ? "--storage-opt is supported only for overlay over xfs with 'pquota' mount option" : `Unknown option ${key}`)
  }
  if (host.Runtime !== undefined && host.Runtime !== null && !facts.runtimes.includes(host.Runtime)) throw invalid('unknown-runtime', `unknown or invalid runtime name: ${host.Runtime}`)
}

/** @throws `invalid-config` (invalid-argument) */
export function checkRestartPolicy(policy: RestartPolicy): void {
  const { Name: name, MaximumRetryCount: retriesMax = 0 } = policy
  if (!RESTART_POLICIES.includes(name ?? '')) throw invalid('invalid-config', `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`)
  if (retriesMax !== 0 && name !== 'on-failure' && (name ?? '') !== '') throw invalid('invalid-config', `invalid restart policy: maximum retry count can only be used with 'on-failure'${retriesMax < 0 ? ' and cannot be negative' : ''}`)
  if (retriesMax < 0) throw invalid('invalid-config', 'invalid restart policy: maximum retry count cannot be negative')
}

function checkPorts(host: HostConfig): void {
  for (const [port, bindings] of Object.entries(host.PortBindings ?? {})) {
    if (!/^\d{1,5}(?:\/(?:tcp|udp|sctp))?$/i.test(port) || Number.parseInt(port, 10) > PORT_MAX) throw invalid('invalid-config', `invalid port specification: "${port}"`)
    for (const { HostPort = '' } of bindings ?? []) if (!/^(?:\d{1,5}(?:-\d{1,5})?)?$/.test(HostPort) || HostPort.split('-').some(part => Number(part) > PORT_MAX)) throw invalid('invalid-config', `invalid port specification: "${HostPort}"`)
  }
}

/** "name:ip"; newer clients write "name=ip". */
function checkExtraHosts(extra: readonly string[]): void {
  for (const entry of extra) {
    const [, name = '', address = ''] = /^([^:=]+)[:=](.+)$/.exec(entry) ?? []
    if (name === '') throw invalid('invalid-config', `bad format for add-host: ${JSON.stringify(entry)}`)
    if (address !== 'host-gateway' && !isAddress(address)) throw invalid('invalid-config', `invalid IP address in add-host: ${JSON.stringify(address)}`)
  }
}

function isAddress(text: string): boolean {
  if (/^\[?[0-9a-f.]*:[0-9a-f:.]*\]?$/i.test(text)) return true
  const parts = text.split('.')
  return parts.length === 4 && parts.every(part => /^\d{1,3}$/.test(part) && Number(part) <= 255)
}

function invalid(code: string, message: string): ShoalError { return new ShoalError('invalid-argument', code, message) }
