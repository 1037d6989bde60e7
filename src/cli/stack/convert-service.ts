import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseBytes, parseDurationNs } from '../output/human.ts'
import { parsePublish, splitWords } from '../service/flag-values.ts'
import type { JsonObject } from '../service/json-path.ts'
import { convertVolume } from './convert-volume.ts'
import { badStack, type StackFile } from './stack-file.ts'

/** Ids of secrets and configs by their name in the cluster. */
export interface StackReferences { readonly secrets: ReadonlyMap<string, string>; readonly configs: ReadonlyMap<string, string> }

/** Keys that mean nothing in a cluster; they are named to the user once. */
export const IGNORED_KEYS = ['build', 'cgroup_parent', 'credential_spec', 'container_name', 'depends_on', 'devices', 'domainname', 'external_links', 'ipc', 'links', 'mac_address', 'network_mode', 'pid', 'privileged', 'restart', 'security_opt', 'shm_size', 'userns_mode', 'expose', 'pull_policy', 'platform', 'profiles']
const KNOWN_KEYS = new Set([
  ...IGNORED_KEYS, 'image', 'command', 'entrypoint', 'environment', 'env_file', 'ports', 'networks', 'volumes', 'deploy', 'labels', 'configs', 'secrets', 'healthcheck', 'hostname', 'user', 'working_dir',
  'stop_grace_period', 'stop_signal', 'stdin_open', 'tty', 'read_only', 'init', 'cap_add', 'cap_drop', 'dns', 'dns_search', 'extra_hosts', 'isolation', 'logging', 'sysctls', 'tmpfs', 'ulimits', 'oom_score_adj',
])

type Entry = Readonly<Record<string, unknown>>

/** One service of a stack file to an Engine API service spec. @throws ShoalError `bad-stack-file` naming the service and key */
export function convertService(stack: string, name: string, file: StackFile, references: StackReferences): JsonObject {
  const service = file.services[name] ?? {}
  for (const key of Object.keys(service)) if (!KNOWN_KEYS.has(key) && !key.startsWith('x-')) throw badStack(`services.${name}: Additional property ${key} is not allowed`)
  if (typeof service['image'] !== 'string' || service['image'] === '') throw badStack(`invalid image reference for service ${name}: no image specified`)
  const deploy = entry(service['deploy'], `services.${name}.deploy`)
  return {
    Name: `${stack}_${name}`,
    Labels: { ...pairs(deploy['labels']), 'com.docker.stack.namespace': stack, 'com.docker.stack.image': service['image'] },
    TaskTemplate: {
      ContainerSpec: containerSpec(stack, name, service, file, references),
      Resources: resourcesOf(deploy, name), ...restartOf(deploy, name), Placement: placementOf(deploy), ...logDriverOf(service), Networks: networksOf(stack, name, service, file),
    },
    Mode: modeOf(deploy, name),
    ...rollout('UpdateConfig', deploy['update_config'], name), ...rollout('RollbackConfig', deploy['rollback_config'], name),
    EndpointSpec: { ...(deploy['endpoint_mode'] === undefined ? {} : { Mode: deploy['endpoint_mode'] }), Ports: list(service['ports']).flatMap(portOf) },
  }
}

function containerSpec(stack: string, name: string, service: Entry, file: StackFile, references: StackReferences): JsonObject {
  const spec: JsonObject = {
    Image: service['image'], Labels: { ...pairs(service['labels']), 'com.docker.stack.namespace': stack }, Env: environmentOf(service, file),
    Mounts: [...list(service['volumes']).map(volume => convertVolume(stack, name, volume, file)), ...list(service['tmpfs']).map(target => ({ Type: 'tmpfs', Target: String(target) }))],
    Secrets: filesOf(stack, name, 'secrets', service, file, references.secrets), Configs: filesOf(stack, name, 'configs', service, file, references.configs),
    Hosts: hostsOf(service['extra_hosts']), Privileges: null,
  }
  const texts: readonly (readonly [key: string, field: string])[] = [['hostname', 'Hostname'], ['user', 'User'], ['working_dir', 'Dir'], ['stop_signal', 'StopSignal'], ['isolation', 'Isolation']]
  for (const [key, field] of texts) if (service[key] !== undefined) spec[field] = String(service[key])
  const switches: readonly (readonly [key: string, field: string])[] = [['tty', 'TTY'], ['read_only', 'ReadOnly'], ['init', 'Init'], ['stdin_open', 'OpenStdin']]
  for (const [key, field] of switches) if (service[key] !== undefined) spec[field] = service[key] === true
  if (service['command'] !== undefined && service['command'] !== null) spec['Args'] = wordsOf(service['command'])
  if (service['entrypoint'] !== undefined && service['entrypoint'] !== null) spec['Command'] = wordsOf(service['entrypoint'])
  if (service['stop_grace_period'] !== undefined) spec['StopGracePeriod'] = duration(service['stop_grace_period'], `services.${name}.stop_grace_period`)
  if (service['healthcheck'] !== undefined) spec['HealthCheck'] = healthOf(entry(service['healthcheck'], `services.${name}.healthcheck`), name)
  if (service['cap_add'] !== undefined) spec['CapabilityAdd'] = list(service['cap_add'])
  if (service['cap_drop'] !== undefined) spec['CapabilityDrop'] = list(service['cap_drop'])
  if (service['sysctls'] !== undefined) spec['Sysctls'] = pairs(service['sysctls'])
  if (service['oom_score_adj'] !== undefined) spec['OomScoreAdj'] = Number(service['oom_score_adj'])
  if (service['ulimits'] !== undefined) spec['Ulimits'] = ulimitsOf(entry(service['ulimits'], `services.${name}.ulimits`))
  if (service['dns'] !== undefined || service['dns_search'] !== undefined) spec['DNSConfig'] = { Nameservers: list(service['dns']), Search: list(service['dns_search']) }
  return spec
}

function modeOf(deploy: Entry, name: string): JsonObject {
  const mode = deploy['mode'] ?? 'replicated'
  const replicas = deploy['replicas'] === undefined ? 1 : Number(deploy['replicas'])
  if (mode === 'replicated') return { Replicated: { Replicas: replicas } }
  if (mode === 'replicated-job') return { ReplicatedJob: { MaxConcurrent: replicas, TotalCompletions: replicas } }
  if (deploy['replicas'] !== undefined) throw badStack(`services.${name}: replicas can only be used with replicated or replicated-job mode`)
  if (mode === 'global') return { Global: {} }
  if (mode === 'global-job') return { GlobalJob: {} }
  throw badStack(`services.${name}: Unknown mode: ${String(mode)}`)
}

function resourcesOf(deploy: Entry, name: string): JsonObject {
  const resources = entry(deploy['resources'], `services.${name}.deploy.resources`)
  const limits = entry(resources['limits'], `services.${name}.deploy.resources.limits`)
  const reservations = entry(resources['reservations'], `services.${name}.deploy.resources.reservations`)
  const amounts = (from: Entry, path: string): JsonObject => ({
    ...(from['cpus'] === undefined ? {} : { NanoCPUs: Math.round(number(from['cpus'], `${path}.cpus`) * 1e9) }),
    ...(from['memory'] === undefined ? {} : { MemoryBytes: bytes(from['memory'], `${path}.memory`) }),
  })
  const generic = list(reservations['generic_resources']).map(item => {
    const discrete = entry(entry(item, 'generic_resources')['discrete_resource_spec'], 'discrete_resource_spec')
    return { DiscreteResourceSpec: { Kind: discrete['kind'], Value: Number(discrete['value']) } }
  })
  return {
    Limits: { ...amounts(limits, `services.${name}.deploy.resources.limits`), ...(limits['pids'] === undefined ? {} : { Pids: number(limits['pids'], 'pids') }) },
    Reservations: { ...amounts(reservations, `services.${name}.deploy.resources.reservations`), ...(generic.length > 0 ? { GenericResources: generic } : {}) },
  }
}

function restartOf(deploy: Entry, name: string): JsonObject {
  if (deploy['restart_policy'] === undefined) return {}
  const policy = entry(deploy['restart_policy'], `services.${name}.deploy.restart_policy`)
  return {
    RestartPolicy: {
      ...(policy['condition'] === undefined ? {} : { Condition: policy['condition'] }),
      ...(policy['delay'] === undefined ? {} : { Delay: duration(policy['delay'], `services.${name}.deploy.restart_policy.delay`) }),
      ...(policy['max_attempts'] === undefined ? {} : { MaxAttempts: Number(policy['max_attempts']) }),
      ...(policy['window'] === undefined ? {} : { Window: duration(policy['window'], `services.${name}.deploy.restart_policy.window`) }),
    },
  }
}

function placementOf(deploy: Entry): JsonObject {
  const placement = entry(deploy['placement'], 'deploy.placement')
  return {
    Constraints: list(placement['constraints']).map(constraint => String(constraint)),
    Preferences: list(placement['preferences']).map(preference => ({ Spread: { SpreadDescriptor: entry(preference, 'preferences')['spread'] } })),
    ...(placement['max_replicas_per_node'] === undefined ? {} : { MaxReplicas: Number(placement['max_replicas_per_node']) }),
  }
}

function rollout(field: string, value: unknown, name: string): JsonObject {
  if (value === undefined || value === null) return {}
  const config = entry(value, `services.${name}.deploy.${field}`)
  return {
    [field]: {
      Parallelism: config['parallelism'] === undefined ? 1 : Number(config['parallelism']),
      ...(config['delay'] === undefined ? {} : { Delay: duration(config['delay'], 'delay') }), ...(config['failure_action'] === undefined ? {} : { FailureAction: config['failure_action'] }),
      ...(config['monitor'] === undefined ? {} : { Monitor: duration(config['monitor'], 'monitor') }), ...(config['max_failure_ratio'] === undefined ? {} : { MaxFailureRatio: Number(config['max_failure_ratio']) }),
      ...(config['order'] === undefined ? {} : { Order: config['order'] }),
    },
  }
}

function networksOf(stack: string, name: string, service: Entry, file: StackFile): readonly JsonObject[] {
  const wanted = Array.isArray(service['networks']) ? Object.fromEntries(service['networks'].map(network => [String(network), {}])) : service['networks'] ?? { default: {} }
  return Object.entries(wanted as object).map(([network, settings]) => {
    if (network !== 'default' && file.networks[network] === undefined) throw badStack(`undefined network "${network}" in service ${name}`)
    const aliases = list(entry(settings, `networks.${network}`)['aliases']).map(alias => String(alias))
    return { Target: networkName(stack, network, file), Aliases: [...aliases, name] }
  })
}

/** The name in the cluster of a network of the stack file. */
export function networkName(stack: string, network: string, file: StackFile): string {
  const definition = file.networks[network] ?? {}
  const external = definition['external']
  if (typeof external === 'object' && external !== null && 'name' in external) return String(external.name)
  if (typeof definition['name'] === 'string') return definition['name']
  return external === true ? network : `${stack}_${network}`
}

function filesOf(stack: string, name: string, kind: 'secrets' | 'configs', service: Entry, file: StackFile, ids: ReadonlyMap<string, string>): readonly JsonObject[] {
  return list(service[kind]).map(item => {
    const reference = typeof item === 'string' ? { source: item } as Entry : entry(item, `services.${name}.${kind}`)
    const source = String(reference['source'])
    const definition = file[kind][source]
    if (definition === undefined) throw badStack(`undefined ${kind.slice(0, -1)} "${source}" in service ${name}`)
    const fullName = objectName(stack, source, definition)
    const target = reference['target'] === undefined ? (kind === 'configs' ? `/${source}` : source) : String(reference['target'])
    const mode = reference['mode'] === undefined ? 0o444 : Number(reference['mode'])
    const fileTarget = { Name: target, UID: String(reference['uid'] ?? '0'), GID: String(reference['gid'] ?? '0'), Mode: mode }
    const id = ids.get(fullName) ?? ''
    return kind === 'secrets' ? { SecretID: id, SecretName: fullName, File: fileTarget } : { ConfigID: id, ConfigName: fullName, File: fileTarget }
  })
}

/** The name in the cluster of a secret or config of the stack file. */
export function objectName(stack: string, name: string, definition: Entry): string {
  const external = definition['external']
  if (typeof external === 'object' && external !== null && 'name' in external) return String(external.name)
  if (typeof definition['name'] === 'string') return definition['name']
  return external === true ? name : `${stack}_${name}`
}

function portOf(port: unknown): readonly JsonObject[] {
  if (typeof port === 'number') return parsePublish(String(port))
  if (typeof port === 'string') return parsePublish(port.replace(/^\d+\.\d+\.\d+\.\d+:/, ''))
  const long = entry(port, 'ports')
  return [{ Protocol: long['protocol'] ?? 'tcp', TargetPort: Number(long['target']), PublishMode: long['mode'] ?? 'ingress', ...(long['published'] === undefined ? {} : { PublishedPort: Number(long['published']) }) }]
}

function healthOf(health: Entry, name: string): JsonObject {
  if (health['disable'] === true) return { Test: ['NONE'] }
  const test = health['test']
  const spec: JsonObject = test === undefined ? {} : { Test: typeof test === 'string' ? ['CMD-SHELL', test] : list(test) }
  for (const [key, field] of [['interval', 'Interval'], ['timeout', 'Timeout'], ['start_period', 'StartPeriod'], ['start_interval', 'StartInterval']] as const) {
    if (health[key] !== undefined) spec[field] = duration(health[key], `services.${name}.healthcheck.${key}`)
  }
  if (health['retries'] !== undefined) spec['Retries'] = Number(health['retries'])
  return spec
}

function environmentOf(service: Entry, file: StackFile): readonly string[] {
  const variables = new Map<string, string>()
  for (const path of list(service['env_file'])) {
    for (const line of readText(resolve(file.folder, String(path))).split('\n')) {
      const match = /^\s*([^#=\s][^=]*)=(.*)$/.exec(line)
      if (match !== null) variables.set((match[1] ?? '').trim(), match[2] ?? '')
    }
  }
  for (const [key, value] of Object.entries(pairs(service['environment']))) variables.set(key, value)
  return [...variables].map(([key, value]) => `${key}=${value}`).sort()
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw badStack(`cannot read ${path}`, cause)
  }
}

function logDriverOf(service: Entry): JsonObject {
  if (service['logging'] === undefined) return {}
  const logging = entry(service['logging'], 'logging')
  return { LogDriver: { Name: logging['driver'] ?? 'json-file', Options: pairs(logging['options']) } }
}

function ulimitsOf(ulimits: Entry): readonly JsonObject[] {
  return Object.entries(ulimits).map(([name, value]) => {
    const both = typeof value === 'object' && value !== null ? value as { soft?: number; hard?: number } : { soft: Number(value), hard: Number(value) }
    return { Name: name, Soft: both.soft, Hard: both.hard }
  })
}

function hostsOf(value: unknown): readonly string[] {
  const entries = Array.isArray(value) ? value.map(item => String(item)) : Object.entries(pairs(value)).map(([host, ip]) => `${host}:${ip}`)
  return entries.map(text => { const at = text.search(/[:=]/); return `${text.slice(at + 1)} ${text.slice(0, at)}` })
}

function wordsOf(value: unknown): readonly string[] { return typeof value === 'string' ? splitWords(value) : list(value).map(word => String(word)) }
function list(value: unknown): readonly unknown[] { return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value] }
function entry(value: unknown, path: string): Entry {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw badStack(`${path} must be a mapping`)
  return value as Entry
}
/** A mapping or a list of key=value to a mapping of texts. */
export function pairs(value: unknown): Readonly<Record<string, string>> {
  if (Array.isArray(value)) return Object.fromEntries(value.map(item => { const text = String(item); const at = text.indexOf('='); return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)] }))
  return Object.fromEntries(Object.entries(entry(value, 'labels')).map(([key, item]) => [key, item === null || item === undefined ? '' : String(item)]))
}
function duration(value: unknown, path: string): number {
  const ns = parseDurationNs(String(value))
  if (ns === undefined) throw badStack(`${path}: invalid duration ${String(value)}`)
  return ns
}
function bytes(value: unknown, path: string): number {
  const size = parseBytes(String(value))
  if (size === undefined) throw badStack(`${path}: invalid size ${String(value)}`)
  return size
}
function number(value: unknown, path: string): number {
  const found = Number(value)
  if (!Number.isFinite(found)) throw badStack(`${path}: invalid number ${String(value)}`)
  return found
}
