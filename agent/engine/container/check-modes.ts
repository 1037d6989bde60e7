import type { ContainerConfig, HostConfig } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { HostFacts } from './host-facts.ts'

const MOUNT_MODE = /^(ro|rw|z|Z|nocopy|cached|delegated|consistent|r?private|r?shared|r?slave)$/

/**
 * Namespaces of a container: their modes are known, and what is asked for besides does not contradict them.
 * @throws `invalid-config` (invalid-argument)
 */
export function checkModes(config: ContainerConfig, host: HostConfig, facts: Pick<HostFacts, 'hasUserNamespaces'>): void {
  for (const [name, mode] of [['PID', host.PidMode ?? ''], ['UTS', host.UTSMode ?? '']] as const) {
    if (mode !== '' && mode !== 'host' && mode !== 'private' && !(name === 'PID' && /^container:.+/.test(mode))) throw invalid(`invalid ${name} mode: ${mode}`)
  }
  if (!/^(|private|shareable|host|none|container:.+)$/.test(host.IpcMode ?? '')) throw invalid(`invalid IPC mode: ${host.IpcMode}`)
  if (!/^(|private|host)$/.test(host.CgroupnsMode ?? '')) throw invalid(`invalid cgroup namespace mode: ${host.CgroupnsMode}`)
  if ((host.UsernsMode ?? '') !== '' && host.UsernsMode !== 'host') throw invalid(`invalid user namespace mode: ${host.UsernsMode}`)
  if (facts.hasUserNamespaces && host.UsernsMode !== 'host') checkUserNamespace(host)
  if ((host.Isolation ?? '') !== '' && host.Isolation !== 'default') throw invalid(`invalid isolation '${host.Isolation}' on linux`)
  if ((host.Cgroup ?? '') !== '') throw invalid(`invalid cgroup: ${host.Cgroup}; joining another container's cgroup is not supported, use --cgroup-parent`)
  for (const from of host.VolumesFrom ?? []) {
    const mode = from.split(':').slice(1).join(':')
    if (mode !== '' && mode.split(',').some(word => !MOUNT_MODE.test(word))) throw invalid(`invalid mode: ${mode}`)
  }
  checkNetworkMode(config, host)
}

/** What belongs to the host's user namespace is out of reach of another. */
function checkUserNamespace(host: HostConfig): void {
  if (host.Privileged === true) throw invalid('privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode')
  if (host.NetworkMode === 'host') throw invalid("cannot share the host's network namespace when user namespaces are enabled")
  if (host.PidMode === 'host') throw invalid('cannot share the host PID namespace when user namespaces are enabled')
}

/** Whoever shares a network namespace has its names, addresses and ports too. */
function checkNetworkMode(config: ContainerConfig, host: HostConfig): void {
  const mode = host.NetworkMode ?? ''
  const shares = mode.startsWith('container:')
  const conflicts: readonly (readonly [boolean, string])[] = [
    [host.UTSMode === 'host' && (config.Hostname ?? '') !== '', 'conflicting options: hostname and the UTS mode'],
    [shares && (config.Hostname ?? '') !== '', 'conflicting options: hostname and the network mode'],
    [shares && (host.Links ?? []).length > 0, "conflicting options: container type network can't be used with links. This would result in undefined behavior"],
    [mode === 'host' && (host.Links ?? []).length > 0, "conflicting options: host type networking can't be used with links. This would result in undefined behavior"],
    [shares && (host.Dns ?? []).length > 0, 'conflicting options: dns and the network mode'],
    [shares && (host.ExtraHosts ?? []).length > 0, 'conflicting options: custom host-to-IP mapping and the network mode'],
    [(shares || mode === 'host') && (config.MacAddress ?? '') !== '', 'conflicting options: mac-address and the network mode'],
    [shares && (Object.keys(host.PortBindings ?? {}).length > 0 || host.PublishAllPorts === true), 'conflicting options: port publishing and the container type network mode'],
    [shares && Object.keys(config.ExposedPorts ?? {}).length > 0, 'conflicting options: port exposing and the container type network mode'],
  ]
  const conflict = conflicts.find(([holds]) => holds)
  if (conflict !== undefined) throw invalid(conflict[1])
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-config', message) }
