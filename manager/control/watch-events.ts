import type { StoreEvent } from '../../src/api/swarm/control.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { ObjectStore, StoreChange } from '../store/object-store.ts'
import { redactObject } from './redact-object.ts'

/**
 * Changes from now on, for the events API. Tasks make no events (B16).
 * @throws ShoalError `lagged` (resource-exhausted) when changes were missed: list again, then watch again
 */
export async function* watchEvents(store: ObjectStore, signal: AbortSignal): AsyncIterable<StoreEvent> {
  for await (const commit of store.watch(signal)) {
    if (commit.changes === 'all') throw new ShoalError('resource-exhausted', 'lagged', 'the state was replaced by a snapshot; list again')
    for (const change of commit.changes) if (change.kind !== 'task') yield eventOf(change)
  }
}

function eventOf(change: StoreChange): StoreEvent {
  const event = { action: change.action, object: redactObject(change.kind, change.object), atMs: change.object.meta?.updatedAtMs ?? 0 }
  return change.old === undefined ? event : { ...event, oldObject: redactObject(change.kind, change.old) }
}
