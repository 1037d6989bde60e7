import { nodeMeetsConstraints } from '../../src/api/swarm/constraint.ts'
import type { Node, Service, Task } from '../../src/api/swarm/objects.ts'
import type { EndpointSpec, TaskSpec } from '../../src/api/swarm/specs.ts'
import { isAtLeast, isTerminal, stateOf } from '../../src/api/swarm/task-state.ts'
import { isSameData } from './same-data.ts'

/**
 * True when the service's template changed in a way that needs a new task. A changed placement alone does not while the task's
 * node still satisfies it, nor do changed registry credentials once the image is there.
 */
export function isTaskDirty(service: Service, task: Task, node: Node | undefined): boolean {
  if (task.specVersion === service.specVersion) return false
  const wanted = service.spec?.task
  const actual = task.spec
  if (wanted === undefined || actual === undefined) return wanted !== actual
  if (!isSameData(endpointOf(service.spec?.endpoint), endpointOf(task.endpoint?.spec))) return true
  const state = stateOf(task)
  const hasImage = isAtLeast(state, 'ready') && !isTerminal(state)
  const keepsNode = node !== undefined && nodeMeetsConstraints(wanted.placement?.constraints, node)
  return !isSameData(comparable(wanted, actual, { hasImage, keepsNode }), actual)
}

/** `wanted` with those fields taken from `actual` in which a difference does not matter. */
function comparable(wanted: TaskSpec, actual: TaskSpec, ignore: { readonly hasImage: boolean; readonly keepsNode: boolean }): TaskSpec {
  const { placement: _, ...rest } = wanted
  const placement = ignore.keepsNode ? actual.placement : wanted.placement
  const container = ignore.hasImage && wanted.container !== undefined && actual.container !== undefined
    ? { ...wanted.container, registryAuth: actual.container.registryAuth } : wanted.container
  return { ...rest, ...(placement !== undefined && { placement }), ...(container !== undefined && { container }) }
}

function endpointOf(spec: EndpointSpec | undefined): EndpointSpec { return spec ?? { mode: 'vip', ports: [] } }
