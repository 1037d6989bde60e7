import { make, type Draft } from '../../api/codec/codec.ts'
import type { EndpointPortConfig, EndpointSpec as EndpointJson, ServiceMode, ServiceSpec as ServiceSpecJson, UpdateConfig as UpdateJson } from '../../api/engine/swarm-json.ts'
import type { EndpointSpec, PortConfig, ServiceSpec, UpdateConfig } from '../../api/swarm/specs.ts'
import { ShoalError } from '../../base/errors.ts'
import { annotationsFromJson, annotationsToJson } from './common.ts'
import { some, unsigned, wordOf } from './json-value.ts'
import { networkFromJson, networkToJson, taskSpecFromJson, taskSpecToJson } from './task-spec.ts'

export function serviceSpecToJson(spec: ServiceSpec): ServiceSpecJson {
  return {
    ...annotationsToJson(spec.annotations),
    TaskTemplate: spec.task === undefined ? {} : taskSpecToJson(spec.task), Mode: modeToJson(spec),
    UpdateConfig: updateToJson(spec.update), RollbackConfig: updateToJson(spec.rollback), Networks: some(spec.networks.map(networkToJson)),
    EndpointSpec: endpointSpecToJson(spec.endpoint),
  }
}

/** What is absent stays absent (point 10), but for the number of replicas, which Docker fills too. @throws ShoalError `bad-parameter`, `invalid-json` */
export function serviceSpecFromJson(json: ServiceSpecJson): ServiceSpec {
  return make('ServiceSpec', {
    annotations: annotationsFromJson(json), task: taskSpecFromJson(json.TaskTemplate ?? {}), ...modeFromJson(json.Mode ?? {}),
    update: updateFromJson(json.UpdateConfig, 'update'), rollback: updateFromJson(json.RollbackConfig, 'rollback'),
    endpoint: endpointSpecFromJson(json.EndpointSpec), networks: (json.Networks ?? []).map(networkFromJson),
  })
}

export function endpointSpecToJson(endpoint: EndpointSpec | undefined): EndpointJson | undefined {
  return endpoint === undefined ? undefined : { Mode: endpoint.mode, Ports: some(endpoint.ports.map(portToJson)) }
}

export function portToJson(port: PortConfig): EndpointPortConfig {
  return {
    Name: some(port.name), Protocol: port.protocol, TargetPort: some(port.targetPort), PublishedPort: some(port.publishedPort), PublishMode: port.publishMode,
  }
}

function modeToJson(spec: ServiceSpec): ServiceMode {
  if (spec.global !== undefined) return { Global: {} }
  if (spec.globalJob !== undefined) return { GlobalJob: {} }
  if (spec.replicatedJob !== undefined) return { ReplicatedJob: { MaxConcurrent: spec.replicatedJob.maxConcurrent, TotalCompletions: spec.replicatedJob.totalCompletions } }
  return { Replicated: { Replicas: spec.replicated?.replicas } }
}

function modeFromJson(mode: ServiceMode): Draft<ServiceSpec> {
  const given = [mode.Replicated, mode.Global, mode.ReplicatedJob, mode.GlobalJob].filter(each => each != null)
  if (given.length > 1) throw new ShoalError('invalid-argument', 'bad-parameter', 'must specify only one service mode')
  if (mode.Global != null) return { global: {} }
  if (mode.GlobalJob != null) return { globalJob: {} }
  if (mode.ReplicatedJob != null) {
    const maxConcurrent = unsigned(mode.ReplicatedJob.MaxConcurrent, 'Mode.ReplicatedJob.MaxConcurrent') ?? 1
    return { replicatedJob: { maxConcurrent, totalCompletions: unsigned(mode.ReplicatedJob.TotalCompletions, 'Mode.ReplicatedJob.TotalCompletions') ?? maxConcurrent } }
  }
  return { replicated: { replicas: unsigned(mode.Replicated?.Replicas, 'Mode.Replicated.Replicas') ?? 1 } }
}

function updateToJson(config: UpdateConfig | undefined): UpdateJson | undefined {
  return config === undefined ? undefined : {
    Parallelism: config.parallelism, Delay: some(config.delayNs), FailureAction: config.failureAction, Monitor: config.monitorNs,
    MaxFailureRatio: config.maxFailureRatio, Order: config.order,
  }
}

function updateFromJson(json: UpdateJson | null | undefined, name: 'update' | 'rollback'): Draft<UpdateConfig> | undefined {
  return json == null ? undefined : {
    parallelism: unsigned(json.Parallelism, `${name} Parallelism`) ?? 0, delayNs: json.Delay ?? 0, monitorNs: json.Monitor, maxFailureRatio: json.MaxFailureRatio ?? 0,
    failureAction: wordOf(json.FailureAction, ['pause', 'continue', 'rollback'], `unrecognized ${name} failure action`) ?? 'pause',
    order: wordOf(json.Order, ['stop-first', 'start-first'], `unrecognized ${name} order`) ?? 'stop-first',
  }
}

function endpointSpecFromJson(json: EndpointJson | null | undefined): Draft<EndpointSpec> | undefined {
  return json == null ? undefined : {
    mode: wordOf(json.Mode, ['vip', 'dnsrr'], 'invalid endpoint mode') ?? 'vip',
    ports: (json.Ports ?? []).map(port => ({
      name: port.Name ?? '', protocol: wordOf(port.Protocol, ['tcp', 'udp', 'sctp'], 'invalid port protocol') ?? 'tcp',
      targetPort: portNumber(port.TargetPort, 'TargetPort'), publishedPort: portNumber(port.PublishedPort, 'PublishedPort'),
      publishMode: wordOf(port.PublishMode, ['ingress', 'host'], 'invalid publish mode') ?? 'ingress',
    })),
  }
}

function portNumber(value: number | undefined, field: string): number {
  if (value === undefined) return 0
  if (value < 0 || value > 65_535) throw new ShoalError('invalid-argument', 'invalid-json', `invalid JSON: EndpointSpec.Ports.${field} must be between 0 and 65535`)
  return value
}
