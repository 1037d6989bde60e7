import type { Meta, Node, StoreObject, Task } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { ObjectKind, ObjectTypes } from './object-store.ts'

/** All kinds, in the order in which snapshots hold them. */
export const OBJECT_KINDS: readonly ObjectKind[] = ['cluster', 'node', 'network', 'secret', 'config', 'service', 'task']
/** Kinds whose names are unique (compared in lower case). */
export const NAMED_KINDS: ReadonlySet<ObjectKind> = new Set<ObjectKind>(['service', 'network', 'secret', 'config', 'cluster'])

/** An object of any kind. */
export type AnyObject = ObjectTypes[ObjectKind]
export interface KindedObject { readonly kind: ObjectKind; readonly object: AnyObject }

/** Reads the one field that is set. @throws ShoalError `malformed-message` when none is */
export function fromStoreObject(stored: StoreObject): KindedObject {
  for (const kind of OBJECT_KINDS) {
    const object = stored[kind]
    if (object !== undefined) return { kind, object }
  }
  throw new ShoalError('invalid-argument', 'malformed-message', 'a stored object has no kind that this version knows; upgrade this manager')
}

export function toStoreObject(kind: ObjectKind, object: AnyObject): StoreObject {
  return { [kind]: object }
}

/** The name by which users look an object up, as written; '' when it has none. Nodes: the hostname. */
export function nameOf(kind: ObjectKind, object: AnyObject): string {
  if (kind === 'node') return (object as Node).description?.hostname ?? ''
  if (kind === 'task') return (object as Task).annotations?.name ?? ''
  return (object as Exclude<AnyObject, Node | Task>).spec?.annotations?.name ?? ''
}

/** The version an object was read or written at; 0 when it was never stored. */
export function versionOf(object: AnyObject): number {
  return object.meta?.version ?? 0
}

export function withMeta<T extends AnyObject>(object: T, meta: Meta): T {
  return { ...object, meta }
}
