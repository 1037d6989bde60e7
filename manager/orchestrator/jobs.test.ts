import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import type { ServiceSpec } from '../../src/api/swarm/specs.ts'
import { isTaskDesired, isTaskLive, stateOf } from '../../src/api/swarm/task-state.ts'
import { nodeDraft, serviceDraft, TaskWorld } from '../../test/support/task-world.ts'

const active = (world: TaskWorld): Task[] => world.tasks().filter(task => isTaskDesired(task) && isTaskLive(task))
const completed = (world: TaskWorld): Task[] => world.tasks().filter(task => stateOf(task) === 'complete')

async function job(spec: Draft<ServiceSpec>, ...nodes: string[]): Promise<TaskWorld> {
  const world = await TaskWorld.create([...nodes.map(nodeDraft), serviceDraft(spec, { jobStatus: {} })])
  await world.run()
  return world
}

test('a replicated job runs slots from zero, so many at a time, until all are complete', async () => {
  const world = await job({ replicatedJob: { maxConcurrent: 2, totalCompletions: 5 } }, 'n1')
  assert.deepEqual(active(world).map(task => [task.slot, task.desiredState, stateOf(task)]), [[0, 'complete', 'running'], [1, 'complete', 'running']])
  for (const expected of [2, 2, 1, 0]) {
    assert.equal(active(world).length, expected)
    for (const task of active(world)) await world.fail(task, 'complete')
    await world.run()
  }
  assert.deepEqual(completed(world).map(task => task.slot).sort(), [0, 1, 2, 3, 4])
})

test('a failed task of a job is restarted in its slot after the delay, at most so often', async () => {
  const world = await job({ replicatedJob: {}, task: { restart: { condition: 'any', delayNs: 1e9, attemptsMax: 2 } } }, 'n1')
  for (let i = 0; i < 5; i++) {
    for (const task of active(world)) await world.fail(task)
    await world.advance(2_000)
  }
  assert.deepEqual(world.tasks().map(task => [task.slot, stateOf(task)]), [[0, 'failed'], [0, 'failed'], [0, 'failed']])
})

test('condition none leaves failures, and the slot is not filled again', async () => {
  const world = await job({ replicatedJob: { maxConcurrent: 1, totalCompletions: 2 }, task: { restart: { condition: 'none' } } }, 'n1')
  await world.fail(active(world)[0])
  await world.run()
  await world.fail(active(world)[0], 'complete')
  await world.advance(60_000)
  assert.deepEqual(world.tasks().map(task => [task.slot, stateOf(task)]), [[0, 'failed'], [1, 'complete']])
})

test('the next iteration runs everything again and removes the tasks of the last', async () => {
  const world = await job({ replicatedJob: {} }, 'n1')
  await world.fail(active(world)[0], 'complete')
  await world.updateService(spec => spec)
  await world.run()
  assert.deepEqual(world.tasks().map(task => [task.jobIteration, stateOf(task)]), [[1, 'running']])
})

test('a global job runs once per node, also on nodes that join later, and never again on one', async () => {
  const world = await job({ globalJob: {} }, 'n1', 'n2')
  assert.deepEqual(active(world).map(task => task.nodeId).sort(), ['n1', 'n2'])
  for (const task of active(world)) await world.fail(task, 'complete')
  await world.run()
  assert.equal(active(world).length, 0)
  await world.store.update(tx => {
    const node = tx.get('node', 'n1')
    if (node !== undefined) tx.create('node', { ...node, id: 'n3' })
  })
  await world.run()
  assert.deepEqual(active(world).map(task => task.nodeId), ['n3'])
})

test('a global job is stopped on a drained node', async () => {
  const world = await job({ globalJob: {} }, 'n1')
  await world.setNode('n1', { availability: 'drain' })
  await world.run()
  assert.deepEqual(world.tasks().map(task => [task.desiredState, stateOf(task)]), [['shutdown', 'shutdown']])
})

test('a replicated job moves from a node that went down', async () => {
  const world = await job({ replicatedJob: {} }, 'n1', 'n2')
  await world.setNode(active(world)[0]?.nodeId ?? '', { state: 'down' })
  await world.advance(6_000)
  assert.equal(active(world).length, 1)
  assert.equal(world.tasks().length, 2)
})
