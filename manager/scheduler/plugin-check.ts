import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { StoreView } from '../store/object-store.ts'

/** Drivers that every node of ours has built in. */
const BUILT_IN_NETWORKS: readonly string[] = ['', 'overlay', 'bridge', 'host', 'none', 'null']
const BUILT_IN_VOLUMES: readonly string[] = ['', 'local']
const BUILT_IN_LOGS: readonly string[] = ['', 'none']

/** Tells whether a node has the drivers a task needs; undefined when it needs none beyond the built-in ones. */
export function createPluginCheck(task: Task, view: StoreView): ((node: Node) => boolean) | undefined {
  const volumes = (task.spec?.container?.mounts ?? []).filter(mount => mount.type === 'volume')
    .map(mount => mount.volume?.driver?.name ?? '').filter(name => !BUILT_IN_VOLUMES.includes(name))
  const networks = task.networks.map(({ networkId }) => driverOf(view, networkId)).filter(name => !BUILT_IN_NETWORKS.includes(name))
  const log = task.logDriver?.name ?? ''
  const needsLog = !BUILT_IN_LOGS.includes(log)
  if (volumes.length === 0 && networks.length === 0 && !needsLog) return undefined
  return node => volumes.every(name => has(node, 'Volume', name)) && networks.every(name => has(node, 'Network', name))
    && (!needsLog || !reports(node, 'Log') || has(node, 'Log', log))
}

function driverOf(view: StoreView, networkId: string): string {
  const network = view.get('network', networkId)
  return network?.state?.driver ?? network?.spec?.driver?.name ?? ''
}

function reports(node: Node, type: string): boolean { return node.description?.plugins.some(plugin => plugin.type === type) ?? false }

function has(node: Node, type: string, name: string): boolean {
  return node.description?.plugins.some(plugin => plugin.type === type && (plugin.name === name || plugin.name === `${name}:latest`)) ?? false
}
