import type { Cluster, Task } from '../../src/api/swarm/objects.ts'
import type { ObjectKind, ObjectTypes, StoreView } from './object-store.ts'
import { SortedMap } from './sorted-map.ts'
import { nameOf, OBJECT_KINDS, type AnyObject, type KindedObject } from './store-object.ts'

type Tables = { readonly [K in ObjectKind]: SortedMap<AnyObject> }
/** Lower-case name + NUL + id, to id: a name that is not unique lists its holders in order of id. */
type NameTables = { readonly [K in ObjectKind]: SortedMap<string> }
type TaskGroups = SortedMap<SortedMap<Task>>

interface Parts {
  readonly version: number
  readonly objects: Tables
  readonly names: NameTables
  readonly byService: TaskGroups
  readonly byNode: TaskGroups
}

/** All objects at one version with their indexes. Immutable: put() and drop() share what they do not change. */
export class StoreState implements StoreView {
  readonly #parts: Parts

  private constructor(parts: Parts) { this.#parts = parts }

  static empty(): StoreState {
    const tables = <V>(): { readonly [K in ObjectKind]: SortedMap<V> } =>
      Object.fromEntries(OBJECT_KINDS.map(kind => [kind, SortedMap.empty<V>()])) as { readonly [K in ObjectKind]: SortedMap<V> }
    return new StoreState({ version: 0, objects: tables(), names: tables(), byService: SortedMap.empty(), byNode: SortedMap.empty() })
  }

  /** Of whole objects, each once: for loading. */
  static of(version: number, objects: readonly KindedObject[]): StoreState {
    const ofKind = (kind: ObjectKind): AnyObject[] => objects.filter(each => each.kind === kind).map(each => each.object)
    const perKind = <V>(make: (kind: ObjectKind) => SortedMap<V>): { readonly [K in ObjectKind]: SortedMap<V> } =>
      Object.fromEntries(OBJECT_KINDS.map(kind => [kind, make(kind)])) as { readonly [K in ObjectKind]: SortedMap<V> }
    const tasks = ofKind('task') as Task[]
    return new StoreState({
      version,
      objects: perKind(kind => SortedMap.of(ofKind(kind).map(object => [object.id, object]))),
      names: perKind(kind => SortedMap.of(ofKind(kind).filter(object => nameOf(kind, object) !== '').map(object => [nameKey(nameOf(kind, object), object.id), object.id]))),
      byService: grouped(tasks, task => task.serviceId),
      byNode: grouped(tasks, task => task.nodeId),
    })
  }

  get version(): number { return this.#parts.version }

  get<K extends ObjectKind>(kind: K, id: string): ObjectTypes[K] | undefined {
    return this.#parts.objects[kind].get(id) as ObjectTypes[K] | undefined
  }

  list<K extends ObjectKind>(kind: K): readonly ObjectTypes[K][] {
    return this.#parts.objects[kind].values() as readonly ObjectTypes[K][]
  }

  findByName<K extends ObjectKind>(kind: K, name: string): ObjectTypes[K] | undefined {
    const [id] = this.holdersOfName(kind, name, 1)
    return id === undefined ? undefined : this.get(kind, id)
  }

  /** Ids of at most `countMax` objects with this name (compared in lower case), in order of id. */
  holdersOfName(kind: ObjectKind, name: string, countMax: number): readonly string[] {
    const prefix = nameKey(name, '')
    const ids: string[] = []
    for (const [key, id] of this.#parts.names[kind].entriesFrom(prefix)) {
      if (!key.startsWith(prefix) || ids.length === countMax) break
      ids.push(id)
    }
    return ids
  }

  tasksOfService(serviceId: string): readonly Task[] { return this.#parts.byService.get(serviceId)?.values() ?? [] }
  tasksOfNode(nodeId: string): readonly Task[] { return this.#parts.byNode.get(nodeId)?.values() ?? [] }
  cluster(): Cluster | undefined { return this.list('cluster')[0] }

  /** Number of objects of a kind. */
  count(kind: ObjectKind): number { return this.#parts.objects[kind].size }

  /** The same objects at another version. */
  at(version: number): StoreState {
    return new StoreState({ ...this.#parts, version })
  }

  /** Creates or replaces. Nothing is checked. */
  put(kind: ObjectKind, object: AnyObject): StoreState {
    const { objects, names } = this.#parts
    const old = objects[kind].get(object.id)
    return new StoreState({
      ...this.#parts,
      objects: { ...objects, [kind]: objects[kind].set(object.id, object) },
      names: renamed(names, kind, old, object),
      ...(kind === 'task' ? this.#regrouped(old as Task | undefined, object as Task) : {}),
    })
  }

  drop(kind: ObjectKind, id: string): StoreState {
    const { objects, names } = this.#parts
    const old = objects[kind].get(id)
    if (old === undefined) return this
    return new StoreState({
      ...this.#parts,
      objects: { ...objects, [kind]: objects[kind].delete(id) },
      names: renamed(names, kind, old, undefined),
      ...(kind === 'task' ? this.#regrouped(old as Task, undefined) : {}),
    })
  }

  #regrouped(old: Task | undefined, task: Task | undefined): Pick<Parts, 'byService' | 'byNode'> {
    return {
      byService: moved(this.#parts.byService, old?.serviceId, old, task?.serviceId, task),
      byNode: moved(this.#parts.byNode, old?.nodeId, old, task?.nodeId, task),
    }
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
  const oldName = old === undefined ? '' : nameOf(kind, old).toLowerCase()
  const name = object === undefined ? '' : nameOf(kind, object).toLowerCase()
  if (oldName === name) return names
  let table = names[kind]
  if (old !== undefined && oldName !== '') table = table.delete(nameKey(oldName, old.id))
  if (object !== undefined && name !== '') table = table.set(nameKey(name, object.id), object.id)
  return { ...names, [kind]: table }
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
