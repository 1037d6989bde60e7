import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../src/api/codec/codec.ts'
import type { Service, StoreObject } from '../src/api/swarm/objects.ts'
import { ShoalError } from '../src/base/errors.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { ReconcileLoop } from './loop.ts'
import type { ObjectStore } from './store/object-store.ts'
import type { Decision, Reconciler } from './store/reconciler.ts'
import { createTestStore } from './store/test-store.ts'

/** Wants every service to have specVersion 7, two seconds after it was first looked at if its name says "later". */
class Seven implements Reconciler {
  readonly name = 'seven'
  readonly decided: string[] = []
  readonly #laterMs: number

  constructor(laterMs: number) { this.#laterMs = laterMs }
  keys(view: Parameters<Reconciler['keys']>[0]): string[] { return view.list('service').map(service => service.id) }
  keysOf(change: Parameters<Reconciler['keysOf']>[0]): string[] { return change.kind === 'service' ? [change.object.id] : [] }
  decide(view: Parameters<Reconciler['decide']>[0], key: string, nowMs: number): Decision {
    this.decided.push(key)
    if (key === 'broken') throw new ShoalError('internal', 'unexpected-value', 'this key can not be decided')
    const service = view.get('service', key)
    if (service === undefined || service.specVersion === 7) return { writes: [] }
    if (key === 'later' && nowMs < this.#laterMs) return { writes: [], wakeAtMs: this.#laterMs }
    return { writes: [{ action: 'update', kind: 'service', object: { ...service, specVersion: 7 } }] }
  }
}

const service = (id: string): Draft<StoreObject> => ({ service: { id, spec: { annotations: { name: id } } } })
const versions = (store: ObjectStore): Record<string, number> => Object.fromEntries(store.view().list('service').map((s: Service) => [s.id, s.specVersion]))

async function setUp(...ids: string[]): Promise<{ clock: FakeClock; store: ObjectStore; seven: Seven; loop: ReconcileLoop }> {
  const clock = new FakeClock()
  const { store } = await createTestStore({ objects: ids.map(service), nowMs: () => clock.nowMs() })
  const seven = new Seven(clock.nowMs() + 2_000)
  return { clock, store, seven, loop: new ReconcileLoop({ store, reconciler: seven, clock, logger: new MemoryLogger() }) }
}

test('all keys are worked at the start, in one log entry, and changes later', async () => {
  const { clock, store, loop } = await setUp('a', 'b', 'c')
  await using _ = loop
  const { version } = store.view()
  loop.start()
  await clock.advance(0)
  assert.deepEqual(versions(store), { a: 7, b: 7, c: 7 })
  assert.equal(store.view().version, version + 1)
  await store.update(tx => { for (const s of tx.list('service').slice(0, 1)) tx.update('service', { ...s, specVersion: 1 }) })
  await clock.advance(0)
  assert.deepEqual(versions(store), { a: 7, b: 7, c: 7 })
})

test('a key is looked at again at the time its decision names, though nothing changed', async () => {
  const { clock, store, loop } = await setUp('later')
  await using _ = loop
  loop.start()
  await clock.advance(1_999)
  assert.deepEqual(versions(store), { later: 0 })
  await clock.advance(1)
  assert.deepEqual(versions(store), { later: 7 })
})

test('a key that fails does not hold up the others and is tried again after a pause', async () => {
  const { clock, store, seven, loop } = await setUp('a', 'broken', 'c')
  await using _ = loop
  loop.start()
  await clock.advance(0)
  assert.deepEqual(versions(store), { a: 7, broken: 0, c: 7 })
  const tries = seven.decided.filter(key => key === 'broken').length
  await clock.advance(999)
  assert.equal(seven.decided.filter(key => key === 'broken').length, tries)
  await clock.advance(1)
  assert.equal(seven.decided.filter(key => key === 'broken').length, tries + 1)
})

test('after dispose nothing is left running', async () => {
  const { clock, loop, store } = await setUp('later')
  loop.start()
  await clock.advance(0)
  await loop[Symbol.asyncDispose]()
  assert.equal(clock.pendingCount, 0)
  await clock.advance(5_000)
  assert.deepEqual(versions(store), { later: 0 })
})
