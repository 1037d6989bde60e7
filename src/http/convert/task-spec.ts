import type { Draft } from '../../api/codec/codec.ts'
import type { NetworkAttachmentConfig as NetworkJson, Placement as PlacementJson, ResourceRequirements as RequirementsJson, RestartPolicy as RestartJson, TaskSpec as TaskSpecJson } from '../../api/engine/swarm-json.ts'
import type { NetworkAttachmentConfig, Placement, ResourceRequirements, RestartPolicy, TaskSpec } from '../../api/swarm/specs.ts'
import { driverFromJson, driverToJson, resourcesFromJson, resourcesToJson } from './common.ts'
import { containerSpecFromJson, containerSpecToJson } from './container-spec.ts'
import { some, unsigned, wordOf } from './json-value.ts'

export function taskSpecToJson(spec: TaskSpec): TaskSpecJson {
  return {
    ContainerSpec: spec.container === undefined ? undefined : containerSpecToJson(spec.container),
    NetworkAttachmentSpec: spec.attachment === undefined ? undefined : { ContainerID: spec.attachment.containerId },
    Resources: requirementsToJson(spec.resources), RestartPolicy: restartToJson(spec.restart), Placement: placementToJson(spec.placement),
    Networks: some(spec.networks.map(networkToJson)), LogDriver: driverToJson(spec.logDriver), ForceUpdate: spec.forceUpdate, Runtime: runtimeOf(spec),
  }
}

/** @throws ShoalError `bad-parameter` or `invalid-json` */
export function taskSpecFromJson(json: TaskSpecJson): Draft<TaskSpec> {
  return {
    container: json.ContainerSpec == null ? undefined : containerSpecFromJson(json.ContainerSpec),
    attachment: json.NetworkAttachmentSpec == null ? undefined : { containerId: json.NetworkAttachmentSpec.ContainerID ?? '' },
    resources: requirementsFromJson(json.Resources), restart: restartFromJson(json.RestartPolicy), placement: placementFromJson(json.Placement),
    networks: (json.Networks ?? []).map(networkFromJson), logDriver: driverFromJson(json.LogDriver),
    forceUpdate: unsigned(json.ForceUpdate, 'TaskTemplate.ForceUpdate') ?? 0,
    runtime: json.Runtime === 'container' ? '' : json.Runtime ?? '',
  }
}

export function networkToJson(network: NetworkAttachmentConfig): NetworkJson {
  return { Target: some(network.target), Aliases: some(network.aliases), DriverOpts: some(network.driverOptions) }
}

export function networkFromJson(json: NetworkJson): Draft<NetworkAttachmentConfig> {
  return { target: json.Target ?? '', aliases: json.Aliases ?? [], driverOptions: json.DriverOpts ?? {} }
}

function runtimeOf(spec: TaskSpec): string | undefined {
  if (spec.container !== undefined) return 'container'
  return spec.attachment === undefined ? some(spec.runtime) : 'attachment'
}

function requirementsToJson(resources: ResourceRequirements | undefined): RequirementsJson | undefined {
  return resources === undefined ? undefined : {
    Limits: resources.limits === undefined ? undefined : resourcesToJson(resources.limits),
    Reservations: resources.reservations === undefined ? undefined : resourcesToJson(resources.reservations),
    SwapBytes: resources.swapBytes, MemorySwappiness: resources.memorySwappiness,
  }
}

function requirementsFromJson(json: RequirementsJson | null | undefined): Draft<ResourceRequirements> | undefined {
  return json == null ? undefined : {
    limits: json.Limits == null ? undefined : resourcesFromJson(json.Limits),
    reservations: json.Reservations == null ? undefined : resourcesFromJson(json.Reservations),
    swapBytes: json.SwapBytes, memorySwappiness: json.MemorySwappiness,
  }
}

function restartToJson(policy: RestartPolicy | undefined): RestartJson | undefined {
  return policy === undefined ? undefined : { Condition: policy.condition, Delay: policy.delayNs, MaxAttempts: policy.attemptsMax, Window: some(policy.windowNs) }
}

/** A policy without condition restarts always. */
function restartFromJson(json: RestartJson | null | undefined): Draft<RestartPolicy> | undefined {
  return json == null ? undefined : {
    condition: wordOf(json.Condition, ['none', 'on-failure', 'any'], 'invalid RestartCondition:') ?? 'any',
    delayNs: json.Delay, attemptsMax: unsigned(json.MaxAttempts, 'RestartPolicy.MaxAttempts') ?? 0, windowNs: json.Window ?? 0,
  }
}

function placementToJson(placement: Placement | undefined): PlacementJson | undefined {
  return placement === undefined ? undefined : {
    Constraints: some(placement.constraints),
    Preferences: some(placement.preferences.map(({ spreadDescriptor }) => ({ Spread: { SpreadDescriptor: spreadDescriptor } }))),
    MaxReplicas: some(placement.replicasMax), Platforms: some(placement.platforms.map(({ architecture, os }) => ({ Architecture: some(architecture), OS: some(os) }))),
  }
}

function placementFromJson(json: PlacementJson | null | undefined): Draft<Placement> | undefined {
  return json == null ? undefined : {
    constraints: json.Constraints ?? [], preferences: (json.Preferences ?? []).flatMap(({ Spread }) => Spread == null ? [] : [{ spreadDescriptor: Spread.SpreadDescriptor ?? '' }]),
    replicasMax: unsigned(json.MaxReplicas, 'Placement.MaxReplicas') ?? 0,
    platforms: (json.Platforms ?? []).map(({ Architecture, OS }) => ({ architecture: Architecture ?? '', os: OS ?? '' })),
  }
}
