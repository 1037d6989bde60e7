import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import { isTerminal, stateOf } from '../../src/api/swarm/task-state.ts'
import { nodeDraft, serviceDraft, TaskWorld } from '../../test/support/task-world.ts'

const slotsOf = (world: TaskWorld): number[] => world.live().map(task => task.slot).sort((a, b) => a - b)

test('a new service gets a task per replica, slots from 1, named after slot and id', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 3 } })])
  await world.run()
  assert.deepEqual(slotsOf(world), [1, 2, 3])
  assert(world.live().every(task => stateOf(task) === 'running' && task.desiredState === 'running'))
  const [first] = world.live()
  assert.equal(first?.annotations?.name, `web.${first?.slot}.${first?.id}`)
  assert.equal(world.service().updateStatus, undefined)
})

test('scaling down removes the crowded slots without history, scaling up takes the lowest free slot', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 3 } })])
  await world.run()
  await world.updateService(spec => ({ ...spec, replicated: { replicas: 1 } }))
  await world.run()
  assert.deepEqual(slotsOf(world), [1])
  assert.equal(world.tasks().length, 1)
  await world.updateService(spec => ({ ...spec, replicated: { replicas: 2 } }))
  await world.run()
  assert.deepEqual(slotsOf(world), [1, 2])
  assert.equal(world.service().updateStatus, undefined)
})

test('a failed task is replaced in its slot: held back at ready for the delay, then run', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 } })])
  await world.run()
  await world.fail(world.live()[0])
  await world.run()
  const [replacement] = world.live()
  assert.deepEqual([replacement?.slot, replacement?.desiredState, replacement && stateOf(replacement)], [1, 'ready', 'ready'])
  await world.advance(4_999)
  assert.equal(world.live()[0]?.desiredState, 'ready')
  await world.advance(1)
  assert.equal(world.live()[0]?.desiredState, 'running')
  assert.equal(world.tasks().length, 2)
})

test('a replacement that fails during its delay waits for the end of it', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 } })])
  await world.run()
  await world.fail(world.live()[0])
  await world.settle()
  await world.step()
  await world.fail(world.live()[0], 'rejected')
  await world.settle()
  assert.equal(world.tasks().length, 2)
  await world.advance(5_000)
  assert.equal(world.tasks().length, 3)
})

test('condition on-failure leaves a completed task alone, none leaves any; the slot stays occupied', async () => {
  for (const [condition, end] of [['on-failure', 'complete'], ['none', 'failed']] as const) {
    const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 }, task: { restart: { condition } } })])
    await world.run()
    await world.fail(world.live()[0], end)
    await world.advance(60_000)
    assert.deepEqual(world.tasks().map(task => [task.desiredState, stateOf(task)]), [['shutdown', end]])
  }
})

test('after the maximum of attempts the slot stays empty until the next update', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 }, task: { restart: { condition: 'any', attemptsMax: 2 } } })])
  for (let i = 0; i < 5; i++) {
    await world.advance(6_000)
    if (world.live()[0] !== undefined) await world.fail(world.live()[0])
  }
  await world.advance(60_000)
  assert.equal(world.live().length, 0)
  assert.equal(world.tasks().length, 3)
  await world.updateService(spec => make('ServiceSpec', { ...spec, task: { ...spec.task, forceUpdate: 1 } } as never))
  await world.advance(10_000)
  assert.equal(world.live().length, 1)
})

test('restarts outside the window do not count', async () => {
  const restart = { condition: 'any', attemptsMax: 1, windowNs: 20e9 } as const
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 }, task: { restart } })])
  await world.run()
  for (let i = 0; i < 4; i++) {
    await world.fail(world.live()[0])
    await world.advance(30_000)
    assert.equal(world.live().length, 1)
  }
})

test('tasks of a node that goes down are replaced at once, without restart delay or waiting, and the old ones are told to stop', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), serviceDraft({ replicated: { replicas: 2 } })])
  await world.run()
  await world.setNode('n1', { state: 'down' })
  await world.run()
  assert.deepEqual(world.live().map(task => [task.nodeId, stateOf(task)]), [['n2', 'running'], ['n2', 'running']])
  const old = world.tasks().find(task => task.nodeId === 'n1')
  assert.deepEqual([old?.desiredState, old && stateOf(old)], ['shutdown', 'running'])
})

test('draining moves tasks without delay, but not before the old one has stopped', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), serviceDraft({ replicated: { replicas: 1 } })])
  await world.run()
  const nodeId = world.live()[0]?.nodeId ?? ''
  await world.setNode(nodeId, { availability: 'drain' })
  await world.settle()
  assert.equal(world.live()[0]?.desiredState, 'ready')
  await world.run()
  assert.equal(world.live()[0]?.desiredState, 'running')
  assert.notEqual(world.live()[0]?.nodeId, nodeId)
})

test('removing a service removes its tasks once they have stopped', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 2 } })])
  await world.run()
  await world.remove('service', 's')
  await world.settle()
  assert(world.tasks().every(task => task.desiredState === 'remove' && !isTerminal(stateOf(task))))
  assert.equal(world.tasks().length, 2)
  await world.run()
  assert.equal(world.tasks().length, 0)
})

test('the reaper keeps five tasks of a slot, the live one included', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ replicated: { replicas: 1 } })])
  for (let i = 0; i < 8; i++) {
    await world.advance(6_000)
    await world.fail(world.live()[0])
  }
  await world.advance(6_000)
  assert.equal(world.tasks().length, 5)
  assert.equal(world.live().length, 1)
})
