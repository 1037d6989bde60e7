import type { Cluster, Task } from '../../src/api/swarm/objects.ts'
import type { ObjectKind, ObjectTypes, StoreView } from './object-store.ts'
import { SortedMap } from './sorted-map.ts'
import { nameOf, OBJECT_KINDS, type AnyObject, type KindedObject } from './store-object.ts'

type TablesOf<V> = { readonly [K in ObjectKind]: SortedMap<V> }
type Tables = TablesOf<AnyObject>
/** Lower-case name + NUL + id, to id: a name that is not unique lists its holders in order of id. */
type NameTables = TablesOf<string>
type TaskGroups = SortedMap<SortedMap<Task>>

/** All objects at one version with their indexes. Immutable: put() and drop() share what they do not change. */
export class StoreState implements StoreView {
  readonly version: number
  readonly #objects: Tables
  readonly #names: NameTables
  readonly #byService: TaskGroups
  readonly #byNode: TaskGroups

  private constructor(version: number, objects: Tables, names: NameTables, byService: TaskGroups, byNode: TaskGroups) {
    this.version = version
    this.#objects = objects
    this.#names = names
    this.#byService = byService
    this.#byNode = byNode
  }

  static empty(): StoreState {
    return new StoreState(0, tablesOf(() => SortedMap.empty()), tablesOf(() => SortedMap.empty()), SortedMap.empty(), SortedMap.empty())
  }

  /** Of whole objects, each once: for loading. */
  static of(version: number, objects: readonly KindedObject[]): StoreState {
    const ofKind = (kind: ObjectKind): AnyObject[] => objects.filter(each => each.kind === kind).map(each => each.object)
    const tasks = ofKind('task') as Task[]
    return new StoreState(
      version,
      tablesOf(kind => SortedMap.of(ofKind(kind).map(object => [object.id, object]))),
      tablesOf(kind => SortedMap.of(ofKind(kind).filter(object => nameOf(kind, object) !== '').map(object => [nameKey(nameOf(kind, object), object.id), object.id]))),
      grouped(tasks, task => task.serviceId),
      grouped(tasks, task => task.nodeId),
    )
  }

  get<K extends ObjectKind>(kind: K, id: string): ObjectTypes[K] | undefined {
    return this.#objects[kind].get(id) as ObjectTypes[K] | undefined
  }

  list<K extends ObjectKind>(kind: K): readonly ObjectTypes[K][] {
    return this.#objects[kind].values() as readonly ObjectTypes[K][]
  }

  findByName<K extends ObjectKind>(kind: K, name: string): ObjectTypes[K] | undefined {
    const [id] = this.holdersOfName(kind, name, 1)
    return id === undefined ? undefined : this.get(kind, id)
  }

  /** Ids of at most `countMax` objects with this name (compared in lower case), in order of id. */
  holdersOfName(kind: ObjectKind, name: string, countMax: number): readonly string[] {
    const prefix = nameKey(name, '')
    const ids: string[] = []
    for (const [key, id] of this.#names[kind].entriesFrom(prefix)) {
      if (!key.startsWith(prefix) || ids.length === countMax) break
      ids.push(id)
    }
    return ids
  }

  tasksOfService(serviceId: string): readonly Task[] { return this.#byService.get(serviceId)?.values() ?? [] }
  tasksOfNode(nodeId: string): readonly Task[] { return this.#byNode.get(nodeId)?.values() ?? [] }
  cluster(): Cluster | undefined { return this.list('cluster')[0] }

  /** Number of objects of a kind. */
  count(kind: ObjectKind): number { return this.#objects[kind].size }

  /** The same objects at another version. */
  at(version: number): StoreState {
    return new StoreState(version, this.#objects, this.#names, this.#byService, this.#byNode)
  }

  /** Creates or replaces. Nothing is checked. */
  put(kind: ObjectKind, object: AnyObject): StoreState {
    const table = this.#objects[kind]
    return this.#changed(kind, table.set(object.id, object), table.get(object.id), object)
  }

  drop(kind: ObjectKind, id: string): StoreState {
    const table = this.#objects[kind]
    const old = table.get(id)
    return old === undefined ? this : this.#changed(kind, table.delete(id), old, undefined)
  }

  #changed(kind: ObjectKind, table: SortedMap<AnyObject>, old: AnyObject | undefined, object: AnyObject | undefined): StoreState {
    const objects = withTable(this.#objects, kind, table)
    const names = renamed(this.#names, kind, old, object)
    if (kind !== 'task') return new StoreState(this.version, objects, names, this.#byService, this.#byNode)
    const [before, task] = [old as Task | undefined, object as Task | undefined]
    return new StoreState(this.version, objects, names, moved(this.#byService, before?.serviceId, before, task?.serviceId, task), moved(this.#byNode, before?.nodeId, before, task?.nodeId, task))
  }
}

function tablesOf<V>(make: (kind: ObjectKind) => SortedMap<V>): TablesOf<V> {
  return Object.fromEntries(OBJECT_KINDS.map(kind => [kind, make(kind)])) as TablesOf<V>
}

/** Kind by kind, which is far quicker than a spread with a computed key: each change of the state does it. */
function withTable<V>({ node, service, task, network, secret, config, cluster }: TablesOf<V>, kind: ObjectKind, table: SortedMap<V>): TablesOf<V> {
  return {
    node: kind === 'node' ? table : node, service: kind === 'service' ? table : service, task: kind === 'task' ? table : task, network: kind === 'network' ? table : network,
    secret: kind === 'secret' ? table : secret, config: kind === 'config' ? table : config, cluster: kind === 'cluster' ? table : cluster,
  }
}

function grouped(tasks: readonly Task[], keyOf: (task: Task) => string): TaskGroups {
  const groups = new Map<string, (readonly [string, Task])[]>()
  for (const task of tasks) {
    const key = keyOf(task)
    if (key === '') continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [[task.id, task]])
    else group.push([task.id, task])
  }
  return SortedMap.of([...groups].map(([key, group]) => [key, SortedMap.of(group)]))
}

function nameKey(name: string, id: string): string {
  return `${name.toLowerCase()}\0${id}`
}

function renamed(names: NameTables, kind: ObjectKind, old: AnyObject | undefined, object: AnyObject | undefined): NameTables {
  const oldName = old === undefined ? '' : nameOf(kind, old)
  const name = object === undefined ? '' : nameOf(kind, object)
  if (oldName.toLowerCase() === name.toLowerCase()) return names
  let table = names[kind]
  if (old !== undefined && oldName !== '') table = table.delete(nameKey(oldName, old.id))
  if (object !== undefined && name !== '') table = table.set(nameKey(name, object.id), object.id)
  return withTable(names, kind, table)
}

/** Takes a task out of its old group and into its new one; groups named '' are not kept, nor are empty ones. */
function moved(groups: TaskGroups, oldKey: string | undefined, old: Task | undefined, key: string | undefined, task: Task | undefined): TaskGroups {
  let next = groups
  if (old !== undefined && oldKey !== undefined && oldKey !== '' && oldKey !== key) {
    const group = (next.get(oldKey) ?? SortedMap.empty<Task>()).delete(old.id)
    next = group.size === 0 ? next.delete(oldKey) : next.set(oldKey, group)
  }
  if (task === undefined || key === undefined || key === '') return next
  return next.set(key, (next.get(key) ?? SortedMap.empty<Task>()).set(task.id, task))
}
