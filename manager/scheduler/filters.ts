import { compileConstraints } from '../../src/api/swarm/constraint.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import type { Platform } from '../../src/api/swarm/specs.ts'
import type { StoreView } from '../store/object-store.ts'
import { hostPortsOf } from './host-ports.ts'
import type { NodeLoad } from './node-load.ts'
import { createPluginCheck } from './plugin-check.ts'

/** One reason for which a node may be unfit, with the text that tells how many nodes it ruled out. */
export interface Filter {
  readonly isFit: (load: NodeLoad) => boolean
  readonly explain: (nodes: number) => string
}

/** The filters that apply to a task (and all of its service and spec version), in order: the first that fails is the one that counts. */
export function createFilters(task: Task, view: StoreView): readonly Filter[] {
  return [readyFilter(), resourceFilter(task), pluginFilter(task, view), constraintFilter(task), platformFilter(task), hostPortFilter(task), replicasMaxFilter(task)]
    .filter(filter => filter !== undefined)
}

export function isFit(filters: readonly Filter[], load: NodeLoad): boolean { return filters.every(filter => filter.isFit(load)) }

/** Why none of `loads` is fit, the commonest reason first; "" when there is no node at all. */
export function explain(filters: readonly Filter[], loads: readonly NodeLoad[]): string {
  const counts = new Map<Filter, number>(filters.map(filter => [filter, 0]))
  for (const load of loads) {
    const failing = filters.find(filter => !filter.isFit(load))
    if (failing !== undefined) counts.set(failing, (counts.get(failing) ?? 0) + 1)
  }
  return [...counts].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]).map(([filter, count]) => filter.explain(count)).join('; ')
}

function readyFilter(): Filter {
  return {
    isFit: ({ node }) => node.status?.state === 'ready' && (node.spec?.availability ?? 'active') === 'active',
    explain: count => (count === 1 ? '1 node not available for new tasks' : `${count} nodes not available for new tasks`),
  }
}

function resourceFilter(task: Task): Filter | undefined {
  const wanted = task.spec?.resources?.reservations
  if (wanted === undefined) return undefined
  return {
    isFit: load => (wanted.nanoCpus === 0 || load.nanoCpusFree >= wanted.nanoCpus) && (wanted.memoryBytes === 0 || load.memoryBytesFree >= wanted.memoryBytes)
      && load.generic.has(wanted.generic),
    explain: onNodes('insufficient resources on'),
  }
}

function pluginFilter(task: Task, view: StoreView): Filter | undefined {
  const check = createPluginCheck(task, view)
  return check === undefined ? undefined : { isFit: ({ node }) => check(node), explain: onNodes('missing plugin on') }
}

function constraintFilter(task: Task): Filter | undefined {
  const constraints = task.spec?.placement?.constraints ?? []
  if (constraints.length === 0) return undefined
  const isMet = compileConstraints(constraints)
  return { isFit: ({ node }) => isMet(node), explain: onNodes('scheduling constraints not satisfied on') }
}

function platformFilter(task: Task): Filter | undefined {
  const platforms = task.spec?.placement?.platforms ?? []
  if (platforms.length === 0) return undefined
  return {
    isFit: ({ node }) => platforms.some(platform => runsOn(platform, node.description?.platform)),
    explain: onNodes('unsupported platform on'),
  }
}

function runsOn(wanted: Platform, actual: Platform | undefined): boolean {
  const isOsRight = wanted.os === '' || wanted.os === actual?.os
  return isOsRight && (wanted.architecture === '' || normalized(wanted.architecture) === normalized(actual?.architecture ?? ''))
}

function normalized(architecture: string): string {
  return architecture === 'x86_64' ? 'amd64' : architecture === 'aarch64' ? 'arm64' : architecture
}

function hostPortFilter(task: Task): Filter | undefined {
  const ports = hostPortsOf(task)
  if (ports.length === 0) return undefined
  return { isFit: load => !ports.some(port => load.usesHostPort(port)), explain: onNodes('host-mode port already in use on') }
}

function replicasMaxFilter(task: Task): Filter | undefined {
  const max = task.spec?.placement?.replicasMax ?? 0
  if (max === 0) return undefined
  return { isFit: load => load.tasksOfService(task.serviceId) < max, explain: () => 'max replicas per node limit exceed' }
}

function onNodes(text: string): (count: number) => string {
  return count => `${text} ${count === 1 ? '1 node' : `${count} nodes`}`
}
