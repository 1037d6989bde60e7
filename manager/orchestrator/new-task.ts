import type { Cluster, Service, Task, TaskRestart, TaskState } from '../../src/api/swarm/objects.ts'
import { taskName } from '../../src/api/swarm/task-name.ts'

/** What distinguishes one task of a service from the next. nodeId is preset for global modes, else "". */
export interface NewTask {
  readonly id: string
  readonly service: Service
  readonly cluster: Cluster | undefined
  readonly slot: number
  readonly nodeId: string
  readonly desiredState: TaskState
  readonly nowMs: number
  readonly restart?: TaskRestart
  readonly jobIteration?: number
}

/** A task made from the service's template: a frozen copy, which later edits of the service do not touch. */
export function newTask({ id, service, cluster, slot, nodeId, desiredState, nowMs, restart, jobIteration }: NewTask): Task {
  const spec = service.spec
  const serviceName = spec?.annotations?.name ?? ''
  const logDriver = spec?.task?.logDriver ?? cluster?.spec?.logDriver
  return {
    id, slot, nodeId, desiredState,
    serviceId: service.id,
    specVersion: service.specVersion,
    annotations: { name: taskName({ id, serviceName, slot, nodeId }), labels: {} },
    status: { state: 'new', timestampMs: nowMs, appliedAtMs: nowMs, appliedBy: '', message: 'created', err: '', hostPorts: [] },
    networks: [],
    genericResources: [],
    ...(spec?.task !== undefined && { spec: spec.task }),
    ...(spec?.annotations !== undefined && { serviceAnnotations: spec.annotations }),
    ...(spec?.endpoint !== undefined && { endpoint: { spec: spec.endpoint, ports: [], virtualIps: [] } }),
    ...(logDriver !== undefined && { logDriver }),
    ...(restart !== undefined && { restart }),
    ...(jobIteration !== undefined && { jobIteration }),
  }
}
