import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../src/base/errors.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../src/platform/log/memory-logger.ts'
import { RoleManager, type RoleMembership } from './role-manager.ts'
import { createTestStore } from './store/test-store.ts'

const NODE = { id: 'n1', role: 'manager', spec: { annotations: {}, role: 'worker', availability: 'active' } } as const

async function setUp(membership: RoleMembership) {
  const clock = new FakeClock()
  const { store } = await createTestStore({ objects: [{ node: NODE }] })
  const roles = new RoleManager({ store, clock, logger: new MemoryLogger(), membership })
  roles.start()
  return { clock, store, roles }
}

test('a demoted manager leaves raft before its role changes, and is tried again while it can not', async () => {
  let refusals = 2
  const { clock, store, roles } = await setUp({
    isMember: () => true,
    remove: async () => { if (refusals-- > 0) throw new ShoalError('failed-precondition', 'quorum-loss', 'not now') },
  })
  await clock.advance(5_000)
  assert.equal(store.view().get('node', 'n1')?.role, 'manager')
  await clock.advance(5_000)
  assert.equal(store.view().get('node', 'n1')?.role, 'worker')
  await roles[Symbol.asyncDispose]()
})

test('a worker that came into raft while it was demoted is taken out again', async () => {
  let isMember = false
  const removed: string[] = []
  const { clock, store, roles } = await setUp({ isMember: () => isMember, remove: async nodeId => { removed.push(nodeId); isMember = false } })
  await clock.advance(1)
  assert.equal(store.view().get('node', 'n1')?.role, 'worker')
  isMember = true
  await clock.advance(5_000)
  assert.deepEqual(removed, ['n1'])
  await clock.advance(15_000)
  assert.deepEqual(removed, ['n1'])
  await roles[Symbol.asyncDispose]()
})

test('the end of the leadership leaves no timer behind', async () => {
  const { clock, roles } = await setUp({ isMember: () => true, remove: async () => { throw new ShoalError('failed-precondition', 'quorum-loss', 'not now') } })
  await clock.advance(1)
  assert.ok(clock.pendingCount > 0)
  await roles[Symbol.asyncDispose]()
  assert.equal(clock.pendingCount, 0)
})
