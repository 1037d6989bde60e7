import type { ContainerConfig, EndpointSettings, HealthConfig as EngineHealth, HostConfig, Mount, PortBinding } from '../../src/api/engine/engine-json.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import type { ContainerSpec, HealthConfig, PortConfig, Privileges } from '../../src/api/swarm/specs.ts'
import { expandTemplate, type TemplateContext } from '../../src/api/swarm/template.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { CreateContainerRequest } from '../engine/engine.ts'
import { engineMount } from './container-mounts.ts'

const PREDEFINED = /^(host|bridge|none)$/
const NS_PER_S = 1_000_000_000
type LogType = NonNullable<HostConfig['LogConfig']>['Type']

/** A task as a container to create: a pure function (A13..A17). @param files host paths of secrets and configs with their targets */
export function containerRequest(task: Task, context: TemplateContext, files: readonly { readonly source: string; readonly target: string }[]): CreateContainerRequest {
  const spec = task.spec?.container
  if (spec === undefined) throw new ShoalError('not-implemented', 'runtime-not-supported', `task ${task.id} is no container: only containers are supported`)
  return {
    name: task.annotations?.name ?? task.id,
    config: containerConfig(task, spec, context),
    hostConfig: hostConfig(task, spec, context, files),
    networkingConfig: { EndpointsConfig: endpoints(task) },
  }
}

/** Seconds between the stop signal and the kill (A11). */
export function stopGraceSeconds(task: Task): number {
  const ns = task.spec?.container?.stopGracePeriodNs
  return ns === undefined ? 10 : Math.ceil(ns / NS_PER_S)
}

/** Ports that this task publishes on its own host (A16). */
export function hostPorts(task: Task): readonly PortConfig[] {
  return (task.endpoint?.ports ?? []).filter(port => port.publishMode === 'host')
}

export function portKey(port: PortConfig): string { return `${port.targetPort}/${port.protocol}` }

function containerConfig(task: Task, spec: ContainerSpec, context: TemplateContext): ContainerConfig {
  return {
    Image: spec.image,
    Hostname: expandTemplate(spec.hostname, context),
    User: spec.user,
    WorkingDir: spec.dir,
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    Env: [...spec.env.map(entry => expandEnv(entry, context)), ...resourceEnv(task)],
    Labels: { ...spec.labels, ...systemLabels(task) },
    ...(spec.command.length > 0 ? { Entrypoint: spec.command } : {}),
    ...(spec.args.length > 0 ? { Cmd: spec.args } : {}),
    ...(spec.stopSignal === '' ? {} : { StopSignal: spec.stopSignal }),
    StopTimeout: stopGraceSeconds(task),
    ...(spec.healthcheck === undefined ? {} : { Healthcheck: healthcheck(spec.healthcheck) }),
    ExposedPorts: Object.fromEntries((task.endpoint?.ports ?? []).map(port => [portKey(port), {}])),
  }
}

function hostConfig(task: Task, spec: ContainerSpec, context: TemplateContext, files: readonly { readonly source: string; readonly target: string }[]): HostConfig {
  const { limits, swapBytes, memorySwappiness } = task.spec?.resources ?? {}
  const log = task.logDriver ?? task.spec?.logDriver
  const fileMounts = files.map((file): Mount => ({ Type: 'bind', Source: file.source, Target: file.target, ReadOnly: true }))
  return {
    NetworkMode: networkMode(task),
    Mounts: [...spec.mounts.map(mount => engineMount(mount, context)), ...fileMounts],
    PortBindings: portBindings(task),
    Memory: limits?.memoryBytes ?? 0,
    NanoCpus: limits?.nanoCpus ?? 0,
    ...(limits?.pids === undefined || limits.pids === 0 ? {} : { PidsLimit: limits.pids }),
    ...(swapBytes === undefined ? {} : { MemorySwap: swapBytes < 0 ? -1 : (limits?.memoryBytes ?? 0) + swapBytes }),
    ...(memorySwappiness === undefined ? {} : { MemorySwappiness: memorySwappiness }),
    ...(log === undefined || log.name === '' ? {} : { LogConfig: { Type: log.name as LogType, Config: log.options } }),
    Dns: spec.dnsConfig?.nameservers ?? [],
    DnsSearch: spec.dnsConfig?.search ?? [],
    DnsOptions: spec.dnsConfig?.options ?? [],
    ExtraHosts: spec.hosts.flatMap(extraHost),
    GroupAdd: spec.groups,
    ReadonlyRootfs: spec.readOnly,
    ...(spec.init === undefined ? {} : { Init: spec.init }),
    Sysctls: spec.sysctls,
    CapAdd: spec.capabilityAdd,
    CapDrop: spec.capabilityDrop,
    Ulimits: spec.ulimits.map(limit => ({ Name: limit.name, Soft: limit.soft, Hard: limit.hard })),
    OomScoreAdj: spec.oomScoreAdj,
    ...(spec.privileges === undefined ? {} : { SecurityOpt: securityOptions(spec.privileges) }),
    RestartPolicy: { Name: 'no' },
  }
}

/** A13: they override the user's. */
function systemLabels(task: Task): Readonly<Record<string, string>> {
  return {
    'com.docker.swarm.task': '',
    'com.docker.swarm.task.id': task.id,
    'com.docker.swarm.task.name': task.annotations?.name ?? '',
    'com.docker.swarm.node.id': task.nodeId,
    ...(task.serviceId === '' ? {} : { 'com.docker.swarm.service.id': task.serviceId, 'com.docker.swarm.service.name': task.serviceAnnotations?.name ?? '' }),
  }
}

/** Only the value is a template. */
function expandEnv(entry: string, context: TemplateContext): string {
  const at = entry.indexOf('=')
  return at < 0 ? entry : entry.slice(0, at + 1) + expandTemplate(entry.slice(at + 1), context)
}

/** S04: what generic resources the task was given. */
function resourceEnv(task: Task): readonly string[] {
  const byKind = new Map<string, string[]>()
  for (const resource of task.genericResources) byKind.set(resource.kind, [...byKind.get(resource.kind) ?? [], resource.named ?? String(resource.discrete ?? 0)])
  return [...byKind].map(([kind, values]) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${values.join(',')}`)
}

function healthcheck(health: HealthConfig): EngineHealth {
  return {
    Test: health.test, Interval: health.intervalNs, Timeout: health.timeoutNs, Retries: health.retries,
    StartPeriod: health.startPeriodNs, StartInterval: health.startIntervalNs,
  }
}

/** A17: a predefined network decides the mode; else the first overlay, so that no bridge is added; without networks the default bridge. */
function networkMode(task: Task): string {
  const ids = [...task.networks.map(network => network.networkId), ...(task.spec?.networks ?? []).map(network => network.target)]
  return ids.find(id => PREDEFINED.test(id)) ?? task.networks[0]?.networkId ?? 'default'
}

function endpoints(task: Task): Readonly<Record<string, EndpointSettings>> {
  return Object.fromEntries(task.networks.filter(network => !PREDEFINED.test(network.networkId)).map(network => {
    const addresses = network.addresses.map(address => address.split('/')[0] ?? '')
    const [v4, v6] = [addresses.find(address => !address.includes(':')), addresses.find(address => address.includes(':'))]
    const ipam = { ...(v4 === undefined ? {} : { IPv4Address: v4 }), ...(v6 === undefined ? {} : { IPv6Address: v6 }) }
    return [network.networkId, { IPAMConfig: ipam, Aliases: network.aliases, DriverOpts: network.driverOptions, NetworkID: network.networkId }]
  }))
}

function portBindings(task: Task): Readonly<Record<string, readonly PortBinding[]>> {
  const bindings: Record<string, PortBinding[]> = {}
  for (const port of hostPorts(task)) (bindings[portKey(port)] ??= []).push({ HostPort: port.publishedPort === 0 ? '' : String(port.publishedPort) })
  return bindings
}

/** "ip name [alias …]": aliases are dropped (A14). */
function extraHost(line: string): readonly string[] {
  const [ip, name] = line.trim().split(/\s+/)
  return ip === undefined || name === undefined ? [] : [`${name}:${ip}`]
}

function securityOptions(privileges: Privileges): readonly string[] {
  const options: string[] = []
  if (privileges.noNewPrivileges) options.push('no-new-privileges=true')
  if (privileges.seccompMode === 'unconfined') options.push('seccomp=unconfined')
  if (privileges.seccompMode === 'custom') options.push(`seccomp=${new TextDecoder().decode(privileges.seccompProfile)}`)
  if (privileges.apparmorMode === 'disabled') options.push('apparmor=unconfined')
  if (privileges.selinuxDisable) options.push('label=disable')
  for (const [name, value] of [['user', privileges.selinuxUser], ['role', privileges.selinuxRole], ['type', privileges.selinuxType], ['level', privileges.selinuxLevel]]) {
    if (value !== '') options.push(`label=${name}:${value}`)
  }
  return options
}
