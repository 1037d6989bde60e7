import { decode, encode } from '../../src/api/codec/codec.ts'
import type { SnapshotHeader } from '../../src/api/swarm/snapshot.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { fromStoreObject, OBJECT_KINDS, toStoreObject, type KindedObject } from './store-object.ts'
import { StoreState } from './store-state.ts'

/** The format this build writes and reads. A higher one is refused, never guessed at. */
const SNAPSHOT_FORMAT = 1

/** A snapshot that was read and not installed yet. */
export interface StagedState { readonly header: SnapshotHeader; readonly state: StoreState }

/** The state as encoded SnapshotRecords: one header, then every object by kind and id. */
export async function* writeSnapshot(state: StoreState, header: Omit<SnapshotHeader, 'format' | 'version'>): AsyncGenerator<Uint8Array, void, undefined> {
  yield encode('SnapshotRecord', { header: { ...header, format: SNAPSHOT_FORMAT, version: state.version } })
  for (const kind of OBJECT_KINDS) {
    for (const object of state.list(kind)) yield encode('SnapshotRecord', { object: toStoreObject(kind, object) })
  }
}

/** Reads what writeSnapshot wrote. @throws ShoalError `snapshot-malformed` (invalid-argument) */
export async function readSnapshot(records: AsyncIterable<Uint8Array>): Promise<StagedState> {
  let header: SnapshotHeader | undefined
  const objects = new Map<string, KindedObject>()
  for await (const bytes of records) {
    const record = decode('SnapshotRecord', bytes)
    if (header === undefined) {
      header = checked(record.header)
      continue
    }
    if (record.object === undefined) throw malformed('it holds a record without an object')
    const object = fromStoreObject(record.object)
    objects.set(`${object.kind}/${object.object.id}`, object)
  }
  if (header === undefined) throw malformed('it has no header')
  return { header, state: StoreState.of(header.version, [...objects.values()]) }
}

function checked(header: SnapshotHeader | undefined): SnapshotHeader {
  if (header === undefined) throw malformed('it does not start with a header')
  if (header.format !== SNAPSHOT_FORMAT) {
    throw malformed(`it has format ${header.format}, and this version reads format ${SNAPSHOT_FORMAT}: run the same version on all managers`)
  }
  return header
}

function malformed(why: string): ShoalError {
  return new ShoalError('invalid-argument', 'snapshot-malformed', `the snapshot of the cluster's state can not be read: ${why}`)
}
