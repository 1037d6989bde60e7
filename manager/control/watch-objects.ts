import type { StoreEvent, WatchMessage, WatchRequest } from '../../src/api/swarm/control.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { dataBytesOf } from '../store/change-history.ts'
import type { ObjectStore, StoreChange } from '../store/object-store.ts'
import { redactObject } from './redact-object.ts'

/** A watcher that sees nothing of what goes on hears of as many changes that it is up to date: so it can go on from a version that is still held. */
const SILENT_CHANGES_MAX = 512
/** Of one message: far below what the transport takes, with objects of the usual size and the data of configs apart. */
const MESSAGE_EVENTS_MAX = 200
const MESSAGE_DATA_BYTES_MAX = 2 ** 20

/**
 * Changes of the objects that the request is for, from now on or all after a version, in messages of at most one version each.
 * @throws ShoalError `lagged` (resource-exhausted) when changes were missed: watch from now on, and list
 */
export async function* watchObjects(store: ObjectStore, request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchMessage> {
  const view = store.view()
  const clusterId = view.cluster()?.id ?? ''
  const start = request.resumeFrom ?? view.version
  // The leader holds all that was ever acknowledged: who has seen more has seen another cluster, or another fork of this one.
  if (request.resumeFrom !== undefined && (request.clusterId !== clusterId || start > view.version)) throw new ShoalError('resource-exhausted', 'lagged', `version ${start} is none of this cluster's, which is at ${view.version}; list again, then watch from now on`)
  yield { events: [], version: start, clusterId }
  let silent = 0
  for await (const { version, atMs, changes } of store.watchAfter(start, signal)) {
    const wanted = changes.filter(change => isWanted(change, request))
    silent += changes.length
    if (wanted.length === 0 && silent < SILENT_CHANGES_MAX) continue
    silent = 0
    const messages = portions(wanted).map(portion => portion.map(change => eventOf(change, atMs, request)))
    for (const events of messages.slice(0, -1)) yield { events, version: 0, clusterId }
    yield { events: messages.at(-1) ?? [], version, clusterId }
  }
}

function isWanted({ kind, action }: StoreChange, { kinds, actions }: WatchRequest): boolean {
  return (kinds.length === 0 || kinds.includes(kind)) && (actions.length === 0 || actions.includes(action))
}

function eventOf(change: StoreChange, atMs: number, { includeOldObject }: WatchRequest): StoreEvent {
  const event = { action: change.action, object: redactObject(change.kind, change.object), atMs }
  return change.old === undefined || !includeOldObject ? event : { ...event, oldObject: redactObject(change.kind, change.old) }
}

function portions(changes: readonly StoreChange[]): readonly (readonly StoreChange[])[] {
  const all: StoreChange[][] = []
  let bytes = 0
  for (const change of changes) {
    const last = all.at(-1)
    bytes += dataBytesOf(change)
    if (last === undefined || last.length === MESSAGE_EVENTS_MAX || bytes > MESSAGE_DATA_BYTES_MAX) {
      all.push([change])
      bytes = dataBytesOf(change)
    } else last.push(change)
  }
  return all
}
