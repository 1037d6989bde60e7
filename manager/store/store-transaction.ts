import type { Cluster, Task } from '../../src/api/swarm/objects.ts'
import type { StoreAction } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { ObjectKind, ObjectTypes, StoreTx } from './object-store.ts'
import { NAMED_KINDS, nameOf, toStoreObject, versionOf, withMeta, type AnyObject } from './store-object.ts'
import type { StoreState } from './store-state.ts'

/** What a transaction does to one object in the end. `baseVersion` is the version it was read at; negative when that is not committed yet. */
export interface PendingWrite {
  readonly action: 'create' | 'update' | 'remove'
  readonly kind: ObjectKind
  readonly object: AnyObject
  readonly baseVersion: number
}

/** What a transaction is told. */
export interface TransactionContext {
  readonly pendingVersion: number
  /** The version that a pending one became when it was committed; any other, and one that is still pending, as it is. */
  readonly committedVersion: (version: number) => number
  readonly resultOf: (requestId: string) => string | undefined
}

/**
 * A view that is being changed. Writes to one object are folded into one. Until they are committed, written objects carry
 * `pendingVersion` (negative, so no committed version): whoever still holds the committed object is out of sequence.
 */
export class StoreTransaction implements StoreTx {
  #state: StoreState
  readonly #writes = new Map<string, PendingWrite>()
  readonly #claims = new Map<string, string>()
  readonly #context: TransactionContext

  constructor(state: StoreState, context: TransactionContext) {
    this.#state = state
    this.#context = context
  }

  /** Everything with this transaction's writes. */
  get state(): StoreState { return this.#state }
  get writes(): ReadonlyMap<string, PendingWrite> { return this.#writes }
  get claims(): ReadonlyMap<string, string> { return this.#claims }

  get version(): number { return this.#state.version }
  get<K extends ObjectKind>(kind: K, id: string): ObjectTypes[K] | undefined { return this.#state.get(kind, id) }
  list<K extends ObjectKind>(kind: K): readonly ObjectTypes[K][] { return this.#state.list(kind) }
  findByName<K extends ObjectKind>(kind: K, name: string): ObjectTypes[K] | undefined { return this.#state.findByName(kind, name) }
  tasksOfService(serviceId: string): readonly Task[] { return this.#state.tasksOfService(serviceId) }
  tasksOfNode(nodeId: string): readonly Task[] { return this.#state.tasksOfNode(nodeId) }
  cluster(): Cluster | undefined { return this.#state.cluster() }

  create<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): void {
    if (object.id === '') throw new ShoalError('invalid-argument', 'id-missing', `a ${kind} without an id can not be stored`)
    if (this.#state.get(kind, object.id) !== undefined) throw new ShoalError('already-exists', 'exists', `${kind} ${object.id} already exists`)
    this.#checkName(kind, object)
    this.#write({ action: 'create', kind, object, baseVersion: 0 })
  }

  update<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): void {
    const old = this.#existing(kind, object.id)
    if (versionOf(object) !== versionOf(old) && versionOf(object) !== this.#versionOf(old)) throw new ShoalError('unknown', 'out-of-sequence', 'update out of sequence')
    if (nameOf(kind, object) !== nameOf(kind, old)) this.#checkName(kind, object)
    this.#write({ action: 'update', kind, object, baseVersion: this.#versionOf(old) })
  }

  remove(kind: ObjectKind, id: string): void {
    const old = this.#existing(kind, id)
    this.#write({ action: 'remove', kind, object: old, baseVersion: this.#versionOf(old) })
  }

  claim(requestId: string, result: string): string | undefined {
    if (requestId === '') return undefined
    const before = this.#claims.get(requestId) ?? this.#context.resultOf(requestId)
    if (before === undefined) this.#claims.set(requestId, result)
    return before
  }

  #versionOf(object: AnyObject): number { return this.#context.committedVersion(versionOf(object)) }

  #existing(kind: ObjectKind, id: string): AnyObject {
    const old = this.#state.get(kind, id)
    if (old === undefined) throw new ShoalError('not-found', 'no-such-object', `${kind} ${id} not found`)
    return old
  }

  #checkName(kind: ObjectKind, object: AnyObject): void {
    const name = nameOf(kind, object)
    if (name === '' || !NAMED_KINDS.has(kind)) return
    const holder = this.#state.findByName(kind, name)
    if (holder !== undefined && holder.id !== object.id) {
      throw new ShoalError('already-exists', 'name-conflict', `name conflicts with an existing object: ${kind} ${name} already exists`)
    }
  }

  #write(write: PendingWrite): void {
    const { kind, object } = write
    foldWrite(this.#writes, write)
    if (write.action === 'remove') this.#state = this.#state.drop(kind, object.id)
    else this.#state = this.#state.put(kind, withMeta(object, { createdAtMs: 0, updatedAtMs: 0, ...object.meta, version: this.#context.pendingVersion }))
  }
}

/** Adds a write to those before it: one per object remains, which has the effect of all. */
export function foldWrite(writes: Map<string, PendingWrite>, write: PendingWrite): void {
  const key = `${write.kind}/${write.object.id}`
  const before = writes.get(key)
  const folded = before === undefined ? write : foldTwo(before, write)
  if (folded === undefined) writes.delete(key)
  else writes.set(key, folded)
}

function foldTwo(before: PendingWrite, write: PendingWrite): PendingWrite | undefined {
  const { baseVersion } = before
  if (before.action === 'create') return write.action === 'remove' ? undefined : { ...write, action: 'create', baseVersion }
  return { ...write, action: write.action === 'create' ? 'update' : write.action, baseVersion }
}

/** The write as a log entry holds it: object.meta.version is the version it is based on; a removal names the object only. */
export function actionOf({ action, kind, object, baseVersion }: PendingWrite): StoreAction {
  const presumed = baseVersion < 0
  const meta = { createdAtMs: 0, updatedAtMs: 0, version: presumed ? 0 : baseVersion }
  // A removal needs no more than kind, id and version; the other fields of a message are optional on the wire.
  const body = action === 'remove' ? ({ id: object.id, meta } as AnyObject) : withMeta(object, meta)
  return { kind: action, object: toStoreObject(kind, body), ...presumed ? { presumed } : {} }
}
