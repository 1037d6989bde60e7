import { make } from '../src/api/codec/codec.ts'
import type { NodeAvailability } from '../src/api/swarm/specs.ts'
import type { ObjectStore } from './store/object-store.ts'

/** A state that was saved, from which a manager begins its cluster anew. */
export interface RestoredState {
  /** SnapshotRecords as SaveState gave them. Read once. */
  readonly records: () => AsyncIterable<Uint8Array>
  readonly availability: NodeAvailability
  /** How long workers count as running, while they are told where the managers are now. */
  readonly workerGraceMs: number
}

/**
 * Makes a restored state this manager's: it becomes a node of it, the managers of then become workers (their raft is gone), and workers get time to
 * find it, in which their tasks count as running. Nothing when this node is in the state already: then that was done.
 */
export async function adoptRestoredState(store: ObjectStore, options: { readonly nodeId: string; readonly nowMs: number } & Pick<RestoredState, 'availability' | 'workerGraceMs'>): Promise<void> {
  const { nodeId, nowMs, availability, workerGraceMs } = options
  await store.update(tx => {
    if (tx.get('node', nodeId) !== undefined) return
    for (const node of tx.list('node')) {
      const isWorker = node.role === 'worker' && node.spec?.role !== 'manager'
      if (!isWorker) tx.update('node', { ...node, role: 'worker', ...node.spec === undefined ? {} : { spec: { ...node.spec, role: 'worker' } } })
      else if (node.status?.state !== 'down') tx.update('node', { ...node, expectedUntilMs: nowMs + workerGraceMs })
    }
    tx.create('node', make('Node', { id: nodeId, role: 'manager', spec: { annotations: {}, role: 'manager', availability }, status: { state: 'unknown' } }))
  })
}
