import { isDeepStrictEqual } from 'node:util'
import type { NetworkTable } from '../../src/api/swarm/dispatcher.ts'
import type { Node, Service, Task } from '../../src/api/swarm/objects.ts'
import { isTaskLive } from '../../src/api/swarm/task-state.ts'
import type { StoreChange, StoreCommit, StoreView } from '../store/object-store.ts'
import { addressOn, networkBody, networkTable, type NetworkBody } from './network-table.ts'

/**
 * The tables of all networks, computed when asked for and kept while their content is the same: a table of the same content is the
 * same object with the same revision, so that senders compare by identity.
 */
export class NetworkTables {
  #view: StoreView
  readonly #tasks = new Map<string, Map<string, Task>>()
  readonly #bodies = new Map<string, NetworkBody>()
  readonly #stale = new Set<string>()
  readonly #tables = new WeakMap<NetworkBody, Map<string, NetworkTable>>()

  constructor(view: StoreView) {
    this.#view = view
    this.#reload(view)
  }

  /** Takes note of a commit. Tables stay as they are until refresh(). @returns the networks whose tables may have changed */
  observe(commit: StoreCommit): readonly string[] {
    this.#view = commit.view
    if (commit.changes !== 'all') return commit.changes.flatMap(change => this.#touchedBy(change))
    this.#reload(commit.view)
    return [...new Set([...this.#bodies.keys(), ...commit.view.list('network').map(network => network.id)])]
  }

  /** The networks' tables are computed anew when they are next asked for. */
  refresh(networkIds: Iterable<string>): void {
    for (const id of networkIds) this.#stale.add(id)
  }

  /** How many endpoints the table has, about: what it costs to send. */
  endpointCount(networkId: string): number { return this.#tasks.get(networkId)?.size ?? 0 }

  /** The table of a network for one node, or undefined when there is no such network. */
  table(networkId: string, node: Node): NetworkTable | undefined {
    const body = this.#body(networkId)
    if (body === undefined) return undefined
    let tables = this.#tables.get(body)
    if (tables === undefined) this.#tables.set(body, tables = new Map())
    let table = tables.get(node.id)
    if (table === undefined || table.nodeAddress !== addressOn(node, networkId)) tables.set(node.id, table = networkTable(body, node))
    return table
  }

  #body(networkId: string): NetworkBody | undefined {
    const known = this.#bodies.get(networkId)
    if (known !== undefined && !this.#stale.has(networkId)) return known
    this.#stale.delete(networkId)
    const network = this.#view.get('network', networkId)
    if (network === undefined) {
      this.#bodies.delete(networkId)
      return undefined
    }
    const fresh = networkBody(this.#view, network, this.#tasks.get(networkId)?.values() ?? [])
    if (known !== undefined && isDeepStrictEqual({ ...fresh, revision: known.revision }, known)) return known
    this.#bodies.set(networkId, fresh)
    return fresh
  }

  #touchedBy(change: StoreChange): string[] {
    switch (change.kind) {
      case 'task': return this.#track(change.action === 'remove' ? undefined : change.object, change.old ?? change.object)
      case 'network': return [change.object.id]
      case 'node': return [...new Set([...change.object.attachments, ...change.old?.attachments ?? []].map(attachment => attachment.networkId))]
      case 'service': return [...new Set([...networksOfService(change.object), ...change.old === undefined ? [] : networksOfService(change.old)])]
      default: return []
    }
  }

  #track(task: Task | undefined, old: Task): string[] {
    for (const { networkId } of old.networks) this.#tasks.get(networkId)?.delete(old.id)
    const ids = new Set(old.networks.map(attachment => attachment.networkId))
    if (task === undefined) return [...ids]
    for (const { networkId } of task.networks) {
      ids.add(networkId)
      if (isTaskLive(task)) this.#tasksOn(networkId).set(task.id, task)
    }
    return [...ids]
  }

  #tasksOn(networkId: string): Map<string, Task> {
    let tasks = this.#tasks.get(networkId)
    if (tasks === undefined) this.#tasks.set(networkId, tasks = new Map())
    return tasks
  }

  #reload(view: StoreView): void {
    this.#tasks.clear()
    for (const task of view.list('task')) if (task.networks.length > 0) this.#track(task, task)
  }
}

function networksOfService(service: Service): string[] {
  const configs = [...service.spec?.task?.networks ?? [], ...service.spec?.networks ?? []]
  return [...configs.map(config => config.target), ...service.endpoint?.virtualIps.map(vip => vip.networkId) ?? []]
}
