import { isDeepStrictEqual } from 'node:util'
import { nodeMeetsConstraints } from '../../src/api/swarm/constraint.ts'
import type { Node, Service, Task } from '../../src/api/swarm/objects.ts'
import type { EndpointSpec, TaskSpec } from '../../src/api/swarm/specs.ts'

/** The task is what its service asks for now: a rolling update would leave it alone (U03). Every progress display of the CLI waits for this (B11). */
export function isUpToDate(service: Service, task: Task, node: Node | undefined): boolean {
  if (task.specVersion === service.specVersion) return true
  const wanted = service.spec?.task
  const { spec } = task
  if (wanted === undefined || spec === undefined || !isDeepStrictEqual(endpointOf(task.endpoint?.spec), endpointOf(service.spec?.endpoint))) return false
  const isRunnable = task.status?.state === 'ready' || task.status?.state === 'starting' || task.status?.state === 'running'
  const compared = isRunnable ? withAuthOf(spec, wanted) : spec
  if (isDeepStrictEqual(compared, wanted)) return true
  const withPlacement: TaskSpec = { ...compared, placement: wanted.placement }
  return node !== undefined && isDeepStrictEqual(withPlacement, { ...wanted, placement: wanted.placement }) && nodeMeetsConstraints(wanted.placement?.constraints, node)
}

function withAuthOf(spec: TaskSpec, wanted: TaskSpec): TaskSpec {
  if (spec.container === undefined || wanted.container === undefined) return spec
  return { ...spec, container: { ...spec.container, registryAuth: wanted.container.registryAuth } }
}

function endpointOf(spec: EndpointSpec | undefined): EndpointSpec { return spec ?? { mode: 'vip', ports: [] } }
