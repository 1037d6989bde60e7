import { decode } from '../codec/codec.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Cluster, Node } from './objects.ts'
import type { SnapshotHeader } from './snapshot.ts'

/** What is in a saved state, without what is secret in it. */
export interface StateSummary {
  /** Raft index that it is the state of. */
  readonly index: number
  readonly clusterId: string
  readonly counts: { readonly node: number; readonly service: number; readonly task: number; readonly network: number; readonly secret: number; readonly config: number }
  readonly managers: readonly string[]
  readonly services: readonly string[]
  readonly isAutolocked: boolean
}

/** What a state's records say: enough to show it, and to begin a cluster with it. */
export interface ReadState { readonly summary: StateSummary; readonly cluster: Cluster }

/** Reads a state's SnapshotRecords to their end, one at a time. @throws ShoalError `backup-damaged`, `backup-version` (invalid-argument) */
export async function readState(records: AsyncIterable<Uint8Array>): Promise<ReadState> {
  const counts = { node: 0, service: 0, task: 0, network: 0, secret: 0, config: 0 }
  const [managers, services]: [string[], string[]] = [[], []]
  let header: SnapshotHeader | undefined
  let cluster: Cluster | undefined
  for await (const bytes of records) {
    const record = decode('SnapshotRecord', bytes)
    if (header === undefined) {
      header = checked(record.header)
      continue
    }
    const { object } = record
    cluster ??= object?.cluster
    for (const kind of Object.keys(counts) as (keyof typeof counts)[]) if (object?.[kind] !== undefined) counts[kind] += 1
    if (object?.node?.role === 'manager') managers.push(nameOf(object.node))
    if (object?.service !== undefined) services.push(object.service.spec?.annotations?.name ?? object.service.id)
  }
  if (header === undefined || cluster === undefined) throw new ShoalError('invalid-argument', 'backup-damaged', 'the backup is damaged: there is no cluster in it; use another one')
  return { cluster, summary: { index: header.version, clusterId: cluster.id, counts, managers: managers.toSorted(), services: services.toSorted(), isAutolocked: cluster.spec?.autoLockManagers === true } }
}

/** Format of the records that this version reads; as manager/store writes them. */
const STATE_FORMAT = 1

function checked(header: SnapshotHeader | undefined): SnapshotHeader {
  if (header === undefined) throw new ShoalError('invalid-argument', 'backup-damaged', 'the backup is damaged: its state does not start with a header; use another one')
  if (header.format !== STATE_FORMAT) throw new ShoalError('invalid-argument', 'backup-version', `the state in the backup has format ${header.format}, and this program reads ${STATE_FORMAT}: use the version of shoal that made it`)
  return header
}

function nameOf({ description, id }: Node): string { return description?.hostname || id }
