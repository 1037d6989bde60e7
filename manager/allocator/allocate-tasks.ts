import type { NetworkAttachment, Service, Task } from '../../src/api/swarm/objects.ts'
import type { NetworkAttachmentConfig } from '../../src/api/swarm/specs.ts'
import { isTaskDesired, stateOf } from '../../src/api/swarm/task-state.ts'
import type { Allocation } from './allocation.ts'
import { hasEndpoint } from './allocate-endpoints.ts'
import { isAddressed, isPredefinedNetwork, publishesIngressPorts } from './network-roles.ts'

/** One decision allocates at most this many tasks, to keep log entries of a moderate size. */
const TASKS_PER_DECISION_MAX = 500

/**
 * Moves new tasks to pending once all their networks, their service's endpoint and their own addresses are there (L01).
 * @returns true when there are more to do
 */
export function allocateTasks(allocation: Allocation, nowMs: number): boolean {
  let done = 0
  const ready = new Map<string, boolean>()
  for (const task of allocation.view.list('task')) {
    if (stateOf(task) !== 'new' || !isTaskDesired(task)) continue
    if (done === TASKS_PER_DECISION_MAX) return true
    const service = task.serviceId === '' ? undefined : allocation.service(task.serviceId)
    if (task.serviceId !== '' && !isReady(allocation, service, ready)) continue
    const networks = attach(allocation, task, service)
    if (networks === undefined && !isParticular(task)) continue
    allocation.putTask(networks === undefined ? refused(task, nowMs) : pending(task, service, networks, nowMs))
    done++
  }
  return false
}

function isReady(allocation: Allocation, service: Service | undefined, known: Map<string, boolean>): boolean {
  if (service === undefined) return false
  let ready = known.get(service.id)
  if (ready === undefined) known.set(service.id, ready = hasEndpoint(allocation, service))
  return ready
}

function pending(task: Task, service: Service | undefined, networks: readonly NetworkAttachment[], nowMs: number): Task {
  const blank = { appliedBy: '', err: '', hostPorts: [] }
  const status = { ...blank, ...task.status, state: 'pending', message: 'pending task scheduling', timestampMs: nowMs, appliedAtMs: nowMs } as const
  const endpoint = service?.endpoint
  if (endpoint === undefined) return { ...task, networks, status }
  // The spec stays the one the task was made from: it tells whether the task is of the current version (U03).
  const spec = task.endpoint?.spec ?? endpoint.spec
  return { ...task, networks, status, endpoint: { ...spec === undefined ? {} : { spec }, ports: endpoint.ports, virtualIps: endpoint.virtualIps } }
}

/** It asked for an address, as only attachments do; somebody waits for the answer. */
function isParticular(task: Task): boolean {
  return task.spec?.networks.some(config => config.addresses.length > 0) ?? false
}

function refused(task: Task, nowMs: number): Task {
  const blank = { appliedBy: '', hostPorts: [] }
  return { ...task, status: { ...blank, ...task.status, state: 'rejected', message: 'rejected', err: 'Address already in use', timestampMs: nowMs, appliedAtMs: nowMs } }
}

/** Undefined when one network is missing or full; nothing is taken then. */
function attach(allocation: Allocation, task: Task, service: Service | undefined): NetworkAttachment[] | undefined {
  const attachments: NetworkAttachment[] = []
  for (const wanted of wantedNetworks(allocation, task, service)) {
    const attachment = attachOne(allocation, wanted)
    if (attachment === undefined) {
      for (const taken of attachments) for (const address of taken.addresses) allocation.releaseAddress(taken.networkId, address)
      return undefined
    }
    attachments.push(attachment)
  }
  return attachments
}

function wantedNetworks(allocation: Allocation, task: Task, service: Service | undefined): NetworkAttachmentConfig[] {
  const asked = task.spec?.networks.length ? task.spec.networks : service?.spec?.networks ?? []
  const wanted = new Map(asked.map(config => [config.target, config]))
  if (service === undefined || !publishesIngressPorts(service)) return [...wanted.values()]
  const ingress = { target: allocation.ingress()?.id ?? '', aliases: [], addresses: [], driverOptions: {} }
  wanted.delete(ingress.target)
  return [ingress, ...wanted.values()]
}

function attachOne(allocation: Allocation, config: NetworkAttachmentConfig): NetworkAttachment | undefined {
  const { target, aliases, driverOptions, addresses: [wanted = ''] } = config
  const network = allocation.network(target)
  if (isPredefinedNetwork(target) || network?.state !== undefined && !isAddressed(network)) return { networkId: target, addresses: [], aliases, driverOptions }
  const address = allocation.takeAddress(target, wanted)
  return address === undefined ? undefined : { networkId: target, addresses: [address], aliases, driverOptions }
}
