import assert from 'node:assert/strict'
import test from 'node:test'
import { stateOf } from '../../src/api/swarm/task-state.ts'
import { nodeDraft, serviceDraft, TaskWorld, withImage } from '../../test/support/task-world.ts'

const nodesOf = (world: TaskWorld): string[] => world.live().map(task => task.nodeId).sort()

test('each node that meets the constraints gets one task, named after it', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), nodeDraft('n3'),
    serviceDraft({ global: {}, task: { placement: { constraints: ['node.hostname != n3'] } } })])
  await world.run()
  assert.deepEqual(nodesOf(world), ['n1', 'n2'])
  const [task] = world.live()
  assert.deepEqual([task?.slot, task?.annotations?.name], [0, `web.${task?.nodeId}.${task?.id}`])
})

test('a drained or lost node loses its task without a replacement elsewhere, and gets one when it is back', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), serviceDraft({ global: {} })])
  await world.run()
  await world.setNode('n1', { availability: 'drain' })
  await world.setNode('n2', { state: 'down' })
  await world.run()
  assert.deepEqual(nodesOf(world), [])
  await world.setNode('n1', { availability: 'active' })
  await world.run()
  assert.deepEqual(nodesOf(world), ['n1'])
})

test('tasks of a node that is gone are deleted', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), serviceDraft({ global: {} })])
  await world.run()
  await world.remove('node', 'n1')
  await world.settle()
  assert.deepEqual(world.tasks().map(task => task.nodeId), ['n2'])
})

test('a failed task is restarted on its node after the delay', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), serviceDraft({ global: {} })])
  await world.run()
  await world.fail(world.live()[0])
  await world.advance(5_000)
  assert.deepEqual(world.live().map(task => [task.nodeId, stateOf(task)]), [['n1', 'running']])
})

test('updates roll from node to node, leave paused nodes alone, and reach them at once when they are activated', async () => {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), nodeDraft('n3'), serviceDraft({ global: {} })])
  await world.run()
  await world.setNode('n3', { availability: 'pause' })
  await world.updateService(withImage('b'))
  await world.settle()
  assert.equal(world.live().filter(task => task.spec?.container?.image === 'b').length, 1)
  await world.advance(10_000)
  assert.equal(world.service().updateStatus?.state, 'completed')
  const imageOn = (nodeId: string): string | undefined => world.live().find(task => task.nodeId === nodeId)?.spec?.container?.image
  assert.deepEqual(['n1', 'n2', 'n3'].map(imageOn), ['b', 'b', 'a'])
  const status = world.service().updateStatus
  await world.setNode('n3', { availability: 'active' })
  await world.run()
  assert.equal(imageOn('n3'), 'b')
  assert.deepEqual(world.service().updateStatus, status)
})
