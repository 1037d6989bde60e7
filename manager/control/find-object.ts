import { ShoalError } from '../../src/base/errors.ts'
import type { ObjectKind, ObjectTypes, StoreView } from '../store/object-store.ts'

/**
 * Finds what a user means: full id, else exact name (nodes: hostname), else id prefix (B02).
 * @throws ShoalError `object-not-found` (not-found), `ambiguous-reference` (invalid-argument)
 */
export function findObject<K extends ObjectKind>(view: StoreView, kind: K, ref: string): ObjectTypes[K] {
  const exact = ref === '' ? undefined : view.get(kind, ref)
  if (exact !== undefined) return exact
  const all = view.list(kind)
  const named = all.filter(object => nameOf(kind, object).toLowerCase() === ref.toLowerCase() && ref !== '')
  const found = named.length > 0 ? named : all.filter(object => object.id.startsWith(ref) && ref !== '')
  if (found.length > 1) throw new ShoalError('invalid-argument', 'ambiguous-reference', `${kind} ${ref} is ambiguous (${found.length} matches found)`)
  const [object] = found
  if (object === undefined) throw objectNotFound(kind, ref)
  return object
}

function objectNotFound(kind: ObjectKind, ref: string): ShoalError {
  return new ShoalError('not-found', 'object-not-found', `${kind} ${ref} not found`)
}

/** The name people call an object by: a node's is its hostname, a task's that of its container. */
export function nameOf<K extends ObjectKind>(kind: K, object: ObjectTypes[K]): string {
  if (kind === 'node') return (object as ObjectTypes['node']).description?.hostname ?? ''
  if (kind === 'task') return (object as ObjectTypes['task']).annotations?.name ?? ''
  return (object as ObjectTypes['service']).spec?.annotations?.name ?? ''
}
