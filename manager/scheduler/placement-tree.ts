import type { Node } from '../../src/api/swarm/objects.ts'
import type { PlacementPreference } from '../../src/api/swarm/specs.ts'
import { Heap } from './heap.ts'
import type { NodeLoad } from './node-load.ts'

/** Failures of a group on one node within the last minutes from which on the node is avoided. */
const FAILURES_AVOID_MIN = 5

export interface PlacementGroup { readonly serviceId: string; /** Service and spec version: what failures are counted by. */ readonly key: string }

/** Gives the branch a node belongs to; a node without the label has branch "". */
export type SpreadLevel = (node: Node) => string

/**
 * Where the next task of a group goes. Each placement preference is a level of branches by label value, and each level evens out this
 * service's tasks among its branches; within the last one it is the node with the fewest tasks of the service, then the fewest in all.
 */
export class PlacementTree {
  readonly #branches: PlacementTree[]
  readonly #heap: Heap<NodeLoad>
  #tasks: number

  constructor(loads: readonly NodeLoad[], levels: readonly SpreadLevel[], group: PlacementGroup) {
    const [level, ...below] = levels
    this.#tasks = loads.reduce((sum, load) => sum + load.tasksOfService(group.serviceId), 0)
    this.#branches = level === undefined ? [] : partition(loads, level).map(part => new PlacementTree(part, below, group))
    this.#heap = new Heap(level === undefined ? loads : [], isBetter(group))
  }

  /**
   * Finds the node for the next task and lets `place` put it there.
   * @param isFit asked again for each placement: a node that is full leaves the tree, a branch without nodes gives its share to the others
   * @returns the node, or undefined when none is left
   */
  placeNext(isFit: (load: NodeLoad) => boolean, place: (load: NodeLoad) => void): NodeLoad | undefined {
    const load = this.#branches.length > 0 ? this.#fromBranch(isFit, place) : this.#fromHeap(isFit, place)
    if (load !== undefined) this.#tasks++
    return load
  }

  #fromBranch(isFit: (load: NodeLoad) => boolean, place: (load: NodeLoad) => void): NodeLoad | undefined {
    while (this.#branches.length > 0) {
      const least = this.#branches.reduce((best, branch) => (branch.#tasks < best.#tasks ? branch : best))
      const load = least.placeNext(isFit, place)
      if (load !== undefined) return load
      this.#branches.splice(this.#branches.indexOf(least), 1)
    }
    return undefined
  }

  #fromHeap(isFit: (load: NodeLoad) => boolean, place: (load: NodeLoad) => void): NodeLoad | undefined {
    for (let load = this.#heap.first; load !== undefined; load = this.#heap.first) {
      if (!isFit(load)) {
        this.#heap.dropFirst()
        continue
      }
      place(load)
      this.#heap.sink()
      return load
    }
    return undefined
  }
}

function isBetter({ serviceId, key }: PlacementGroup): (a: NodeLoad, b: NodeLoad) => boolean {
  const avoidance = (load: NodeLoad): number => {
    const failures = load.failuresOf(key)
    return failures >= FAILURES_AVOID_MIN ? failures : 0
  }
  return (a, b) => (avoidance(a) - avoidance(b) || a.tasksOfService(serviceId) - b.tasksOfService(serviceId) || a.tasksTotal - b.tasksTotal) < 0
}

function partition(loads: readonly NodeLoad[], level: SpreadLevel): NodeLoad[][] {
  const parts = new Map<string, NodeLoad[]>()
  for (const load of loads) {
    const value = level(load.node)
    const part = parts.get(value)
    if (part === undefined) parts.set(value, [load])
    else part.push(load)
  }
  return [...parts.values()]
}

/** The levels of a tree, outermost first; descriptors that name no label are skipped. */
export function spreadLevels(preferences: readonly PlacementPreference[]): readonly SpreadLevel[] {
  return preferences.map(({ spreadDescriptor }) => labelReader(spreadDescriptor)).filter(reader => reader !== undefined)
}

function labelReader(descriptor: string): SpreadLevel | undefined {
  const lower = descriptor.toLowerCase()
  const nodeLabel = 'node.labels.'
  const engineLabel = 'engine.labels.'
  if (lower.startsWith(nodeLabel)) return node => node.spec?.annotations?.labels[descriptor.slice(nodeLabel.length)] ?? ''
  if (lower.startsWith(engineLabel)) return node => node.description?.engineLabels[descriptor.slice(engineLabel.length)] ?? ''
  return undefined
}
