import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { StoreObject } from '../../src/api/swarm/objects.ts'
import { MemoryProposer } from './memory-proposer.ts'
import { ReplicatedStore } from './replicated-store.ts'
import { fromStoreObject } from './store-object.ts'

/** A time for tests that do not care which. */
const TEST_START_MS = 1_700_000_000_000

/** A store and the consensus of one behind it. */
export interface TestStore {
  readonly store: ReplicatedStore
  readonly proposer: MemoryProposer
}

/**
 * A store for tests: commits at once and keeps nothing.
 * @param options.objects what it holds at the start, as drafts: `[{ node: { id: 'n1' } }, { service: … }]`
 * @param options.nowMs the leader's clock; a constant when absent
 */
export async function createTestStore(options: { readonly objects?: readonly Draft<StoreObject>[]; readonly nowMs?: () => number } = {}): Promise<TestStore> {
  const store = ReplicatedStore.inMemory()
  const proposer = new MemoryProposer(store, options.nowMs ?? (() => TEST_START_MS))
  store.attach(proposer)
  await store.update(tx => {
    for (const draft of options.objects ?? []) {
      const { kind, object } = fromStoreObject(make('StoreObject', draft))
      tx.create(kind, object)
    }
  })
  return { store, proposer }
}
