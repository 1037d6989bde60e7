import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import type { PublishLogsMessage, SubscribeLogsMessage } from '../../src/api/swarm/logs.ts'
import type { TaskState } from '../../src/api/swarm/objects.ts'
import { hasCode } from '../../src/base/errors.ts'
import { streamOf, type RpcContext } from '../../src/base/rpc.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { createTestStore } from '../store/test-store.ts'
import { LogBroker } from './log-broker.ts'

test('a subscription asks the nodes with tasks that have run, and ends when they are done', async () => {
  await using world = await setUp([['t1', 'n1', 'running'], ['t2', 'n2', 'starting']])
  const node = world.broker.listen(world.as('n1'))[Symbol.asyncIterator]()
  const asked = node.next()
  const logs = world.subscribe(false)
  const read = collect(logs)
  const { value: message } = await asked
  assert.equal(message?.selector?.serviceIds[0], 's1')
  await world.broker.publish(streamOf(world.log(message?.id ?? '', 'n1', 'hello'), done(message?.id ?? '')), world.as('n1'))
  assert.deepEqual((await read).flatMap(part => part.messages.map(log => new TextDecoder().decode(log.data))), ['hello'])
  assert.equal((await node.next()).value?.close, true)
})

test('a node that does not listen makes the stream incomplete, which is said at its end', async () => {
  await using world = await setUp([['t1', 'n1', 'running']])
  const parts = await collect(world.subscribe(false))
  assert.equal(parts.at(-1)?.warning, 'warning: incomplete log stream. some logs could not be retrieved for the following reasons: node n1 is not available')
})

test('a node that goes away while it is asked makes the stream incomplete', async () => {
  await using world = await setUp([['t1', 'n1', 'running']])
  const leave = new AbortController()
  const node = world.broker.listen({ ...world.as('n1'), signal: leave.signal })[Symbol.asyncIterator]()
  const asked = node.next()
  const read = collect(world.subscribe(false))
  await asked
  leave.abort()
  assert.equal((await node.next()).done, true)
  assert.match((await read).at(-1)?.warning ?? '', /node n1 disconnected unexpectedly/)
})

test('a followed stream takes up new tasks on other nodes and ends with its client', async () => {
  await using world = await setUp([['t1', 'n1', 'running']])
  const first = world.broker.listen(world.as('n1'))[Symbol.asyncIterator]()
  const second = world.broker.listen(world.as('n2'))[Symbol.asyncIterator]()
  const asked = [first.next(), second.next()]
  const logs = world.subscribe(true)[Symbol.asyncIterator]()
  const message = logs.next()
  const id = (await asked[0])?.value?.id ?? ''
  await world.store.update(tx => tx.create('task', make('Task', { id: 't2', serviceId: 's1', nodeId: 'n2', status: { state: 'assigned' } })))
  assert.equal((await asked[1])?.value?.id, id)
  await world.broker.publish(streamOf(world.log(id, 'n2', 'new')), world.as('n2'))
  assert.equal((await message).value?.messages.length, 1)
  await logs.return?.()
  assert.equal((await second.next()).value?.close, true)
})

test('a node may publish only its own logs', async () => {
  await using world = await setUp([['t1', 'n1', 'running']])
  const node = world.broker.listen(world.as('n1'))[Symbol.asyncIterator]()
  const asked = node.next()
  const read = collect(world.subscribe(false))
  const id = (await asked).value?.id ?? ''
  await assert.rejects(world.broker.publish(streamOf(world.log(id, 'n2', 'x')), world.as('n1')), error => hasCode(error, 'log-not-own'))
  await read
})

test('a caller that is gone already neither listens nor subscribes', async () => {
  await using world = await setUp([['t1', 'n1', 'running']])
  const gone = { ...world.as('n1'), signal: AbortSignal.abort(new Error('gone')) }
  await assert.rejects(world.broker.listen(gone)[Symbol.asyncIterator]().next(), /gone/)
  const request = make('SubscribeLogsRequest', { selector: { serviceIds: ['s1'] }, options: { streams: ['stdout'], follow: true } })
  await assert.rejects(collect(world.broker.subscribe(request, gone)), /gone/)
})

test('a request without streams is refused', async () => {
  await using world = await setUp([])
  const logs = world.broker.subscribe(make('SubscribeLogsRequest', { selector: { serviceIds: ['s1'] }, options: {} }), world.as('m'))
  await assert.rejects(collect(logs), error => hasCode(error, 'invalid-log-request'))
})

function done(subscriptionId: string): PublishLogsMessage { return make('PublishLogsMessage', { subscriptionId, done: true }) }

async function collect(logs: AsyncIterable<SubscribeLogsMessage>): Promise<SubscribeLogsMessage[]> {
  const parts: SubscribeLogsMessage[] = []
  for await (const part of logs) parts.push(part)
  return parts
}

async function setUp(tasks: readonly (readonly [id: string, nodeId: string, state: TaskState])[]) {
  const { store } = await createTestStore({ objects: tasks.map(([id, nodeId, state]) => ({ task: { id, nodeId, serviceId: 's1', status: { state } } })) })
  const broker = new LogBroker({ store, clock: new FakeClock(), random: new SeededRandom(1), logger: new MemoryLogger() })
  broker.start()
  const stop = new AbortController()
  const as = (nodeId: string): RpcContext => ({ identity: { nodeId, role: 'worker', clusterId: 'c' }, remoteAddress: 'x', isLocal: false, signal: stop.signal, metadata: {} })
  return {
    store, broker, as,
    subscribe: (follow: boolean) => broker.subscribe(make('SubscribeLogsRequest', { selector: { serviceIds: ['s1'] }, options: { streams: ['stdout'], follow } }), as('client')),
    log: (subscriptionId: string, nodeId: string, text: string) => make('PublishLogsMessage', { subscriptionId, messages: [{ context: { nodeId }, data: new TextEncoder().encode(text) }] }),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('test is over'))
      await broker[Symbol.asyncDispose]()
    },
  }
}
