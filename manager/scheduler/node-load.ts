import type { Node, Task } from '../../src/api/swarm/objects.ts'
import { isTaskDesired } from '../../src/api/swarm/task-state.ts'
import { GenericPool } from './generic-resources.ts'
import { hostPortsOf } from './host-ports.ts'

/** A node with what its tasks take of it. Mutable while one plan is made. */
export class NodeLoad {
  readonly node: Node
  readonly generic: GenericPool
  nanoCpusFree: number
  memoryBytesFree: number
  /** Tasks that are wanted there. */
  tasksTotal = 0
  readonly #byService = new Map<string, number>()
  readonly #hostPorts = new Map<string, number>()
  readonly #failures = new Map<string, number>()

  constructor(node: Node) {
    this.node = node
    const resources = node.description?.resources
    this.nanoCpusFree = resources?.nanoCpus ?? 0
    this.memoryBytesFree = resources?.memoryBytes ?? 0
    this.generic = new GenericPool(resources?.generic ?? [])
  }

  /** Counts a task that has not ended. Its reservations are held until it ends, even when it is told to stop. */
  add(task: Task): void {
    const reserved = task.spec?.resources?.reservations
    this.nanoCpusFree -= reserved?.nanoCpus ?? 0
    this.memoryBytesFree -= reserved?.memoryBytes ?? 0
    this.generic.take(task.genericResources)
    for (const port of hostPortsOf(task)) this.#hostPorts.set(port, (this.#hostPorts.get(port) ?? 0) + 1)
    if (!isTaskDesired(task)) return
    this.tasksTotal++
    this.#byService.set(task.serviceId, this.tasksOfService(task.serviceId) + 1)
  }

  tasksOfService(serviceId: string): number { return this.#byService.get(serviceId) ?? 0 }
  usesHostPort(port: string): boolean { return this.#hostPorts.has(port) }

  /** Counts a recent failure of the group of tasks `group` here. */
  addFailure(group: string): void { this.#failures.set(group, this.failuresOf(group) + 1) }
  failuresOf(group: string): number { return this.#failures.get(group) ?? 0 }
}
