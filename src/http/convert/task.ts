import type { NetworkAttachment as AttachmentJson, SwarmNetwork, Task as TaskJson, TaskStatus as StatusJson } from '../../api/engine/swarm-json.ts'
import type { Network, NetworkAttachment, Task, TaskStatus } from '../../api/swarm/objects.ts'
import { annotationsToJson, genericToJson, metaToJson } from './common.ts'
import { some, timeText } from './json-value.ts'
import { ipamOfSpec, ipamOfState, networkOptions } from './network.ts'
import { portToJson } from './service-spec.ts'
import { taskSpecToJson } from './task-spec.ts'

/** @param networks by id, for the attachments: clients such as Traefik read names and subnets there */
export function taskToJson(task: Task, networks: ReadonlyMap<string, Network>): TaskJson {
  return {
    ID: task.id, ...metaToJson(task.meta), ...annotationsToJson(task.annotations), Spec: task.spec === undefined ? {} : taskSpecToJson(task.spec),
    ServiceID: some(task.serviceId), Slot: some(task.slot), NodeID: some(task.nodeId), AssignedGenericResources: genericToJson(task.genericResources),
    Status: statusToJson(task.status), DesiredState: task.desiredState,
    NetworksAttachments: some(task.networks.map(attachment => attachmentToJson(attachment, networks))),
    JobIteration: task.jobIteration === undefined ? undefined : { Index: task.jobIteration },
  }
}

function statusToJson(status: TaskStatus | undefined): StatusJson {
  const container = status?.container
  return {
    Timestamp: timeText(status?.timestampMs ?? 0), State: status?.state ?? 'new', Message: some(status?.message), Err: some(status?.err),
    ContainerStatus: container === undefined ? undefined : { ContainerID: container.containerId, PID: container.pid, ExitCode: container.exitCode },
    PortStatus: { Ports: some((status?.hostPorts ?? []).map(portToJson)) },
  }
}

function attachmentToJson(attachment: NetworkAttachment, networks: ReadonlyMap<string, Network>): AttachmentJson {
  const network = networks.get(attachment.networkId)
  return { Network: network === undefined ? { ID: attachment.networkId } : swarmNetworkToJson(network), Addresses: some(attachment.addresses) }
}

function swarmNetworkToJson(network: Network): SwarmNetwork {
  const { spec } = network
  return {
    ID: network.id, ...metaToJson(network.meta),
    Spec: {
      ...annotationsToJson(spec?.annotations), DriverConfiguration: { Name: spec?.driver?.name || 'overlay', Options: some(spec?.driver?.options) },
      IPv6Enabled: some(spec?.ipv6Enabled), Internal: some(spec?.internal), Attachable: some(spec?.attachable), Ingress: some(spec?.ingress),
      IPAMOptions: ipamOfSpec(network), Scope: 'swarm',
    },
    DriverState: { Name: network.state?.driver || spec?.driver?.name || 'overlay', Options: some(networkOptions(network)) },
    IPAMOptions: ipamOfState(network),
  }
}
