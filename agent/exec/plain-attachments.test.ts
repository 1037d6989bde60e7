import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RESOURCE_ALLOCATOR_RPC } from '../../src/api/codec/methods.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { PlainAttachments, type ManagerCalls } from './plain-attachments.ts'

const REQUEST = { networkRef: 'ov', containerId: 'c1', address: '', names: ['one'] }
const T1 = { taskId: 't1', containerId: 'c1', networkId: 'n1' }
const never = new AbortController().signal

test('a container gets its address when its task has arrived here, and the task ends when the container leaves', async () => {
  const { attachments } = setUp()
  let isHere = false
  const acquired = attachments.acquire(REQUEST).then(answer => { isHere = true; return answer })
  const task = attachments.untilReleased(T1, async () => false, never)
  await turns()
  assert.equal(isHere, false)
  attachments.started('t1')
  assert.deepEqual(await acquired, { networkId: 'n1', address: '10.0.1.5/24' })
  assert.equal(attachments.isHeld('t1'), true)
  await attachments.release('c1', 'another')
  assert.equal(attachments.isHeld('t1'), true)
  await attachments.release('c1')
  await task
  assert.equal(attachments.isHeld('t1'), false)
})

test('a task that does not arrive in time is an error, and ends when it arrives later', async () => {
  const { attachments, clock } = setUp()
  const acquired = attachments.acquire(REQUEST)
  const refused = assert.rejects(acquired, { code: 'attachment-timeout', message: /^Could not attach to network ov: .* within 20 s$/ })
  await turns()
  clock.advance(20_000)
  await refused
  attachments.started('t1')
  await attachments.untilReleased(T1, async () => false, never)
})

test('after a restart of the daemon a running container keeps its task, until it leaves', async () => {
  const { attachments } = setUp()
  let ended = false
  const task = attachments.untilReleased(T1, async () => true, never).then(() => { ended = true })
  await turns()
  assert.equal(ended, false)
  await attachments.release('c1')
  await task
})

test('a task whose container has another one on the same network ends', async () => {
  const { attachments } = setUp()
  const acquired = attachments.acquire(REQUEST)
  await turns()
  attachments.started('t1')
  await acquired
  await attachments.untilReleased({ ...T1, taskId: 'stale' }, async () => true, never)
  assert.equal(attachments.isHeld('t1'), true)
})

test("the cluster's own tasks bring their address and ask nobody", async () => {
  const { attachments, calls } = setUp({ labels: { 'com.docker.swarm.task.id': 't9' } })
  assert.deepEqual(await attachments.acquire({ ...REQUEST, networkRef: 'n1', address: '10.0.1.9' }), { networkId: 'n1', address: '10.0.1.9' })
  assert.deepEqual(calls, [])
})

test("refusals of the managers come in Docker's words", async () => {
  const closed = setUp({ error: new ShoalError('permission-denied', 'network-not-attachable', 'network ov not manually attachable') })
  const message = 'Could not attach to network ov: rpc error: code = PermissionDenied desc = network ov not manually attachable'
  await assert.rejects(closed.attachments.acquire(REQUEST), { kind: 'permission-denied', message })
  await assert.rejects(closed.attachments.isAttachable('ov'), { message })
  const missing = setUp({ error: new ShoalError('not-found', 'object-not-found', 'network ov not found') })
  assert.equal(await missing.attachments.isAttachable('ov'), false)
  missing.attachments.connect(undefined)
  assert.equal(await missing.attachments.isAttachable('ov'), false)
  await assert.rejects(missing.attachments.acquire(REQUEST), { code: 'no-such-network', message: 'network ov not found' })
})

function setUp(options: { readonly error?: ShoalError; readonly labels?: Record<string, string> } = {}): { readonly attachments: PlainAttachments; readonly clock: FakeClock; readonly calls: string[] } {
  const clock = new FakeClock()
  const calls: string[] = []
  const managers: ManagerCalls = {
    call: async (method, request) => {
      calls.push(method.path)
      if (options.error !== undefined) throw options.error
      const answer = method.path === RESOURCE_ALLOCATOR_RPC.attachNetwork.path ? { attachmentId: 't1', networkId: 'n1', address: '10.0.1.5/24' } : { networkId: 'n1' }
      assert.ok(method.encodeRequest(request).length > 0)
      return answer as never
    },
  }
  const attachments = new PlainAttachments({ clock, logger: new MemoryLogger(), containers: () => ({ inspect: async () => ({ Config: { Labels: options.labels ?? {} } }) }) })
  attachments.connect(managers)
  return { attachments, clock, calls }
}

async function turns(): Promise<void> { for (let turn = 0; turn < 20; turn++) await Promise.resolve() }
