import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { createTestStore } from '../store/test-store.ts'
import { Scheduler } from './scheduler.ts'

const pending = (id: string): Parameters<typeof make<'Task'>>[1] => ({ id, serviceId: 's', desiredState: 'running', status: { state: 'pending' }, spec: {} })

test('pending tasks are placed after a quiet moment, and those without a place when a node comes', async () => {
  const clock = new FakeClock()
  const { store } = await createTestStore({ objects: [{ task: pending('t1') }], nowMs: () => clock.nowMs() })
  await using scheduler = new Scheduler({ store, clock, logger: new MemoryLogger() })
  scheduler.start()
  await clock.advance(60)
  assert.equal(store.view().get('task', 't1')?.status?.err, 'no suitable node')
  await store.update(tx => tx.create('node', make('Node', { id: 'n1', status: { state: 'ready' } })))
  await clock.advance(10)
  assert.equal(store.view().get('task', 't1')?.nodeId, '')
  await clock.advance(50)
  const placed = store.view().get('task', 't1')
  assert.deepEqual([placed?.nodeId, placed?.status?.state, placed?.status?.message, placed?.status?.err], ['n1', 'assigned', 'scheduler assigned task to node', ''])
})

test('a stream of changes does not put placing off for more than a second', async () => {
  const clock = new FakeClock()
  const { store } = await createTestStore({ objects: [{ node: { id: 'n1', status: { state: 'ready' } } }], nowMs: () => clock.nowMs() })
  await using scheduler = new Scheduler({ store, clock, logger: new MemoryLogger() })
  scheduler.start()
  for (let i = 0; i < 30; i++) {
    await store.update(tx => tx.create('task', make('Task', pending(`t${i}`))))
    await clock.advance(40)
  }
  assert.equal(store.view().get('task', 't0')?.nodeId, 'n1')
  assert.equal(store.view().get('task', 't29')?.nodeId, '')
})
