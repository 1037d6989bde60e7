import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { ServiceSpec } from '../../src/api/swarm/specs.ts'
import { stateOf } from '../../src/api/swarm/task-state.ts'
import { nodeDraft, serviceDraft, TaskWorld, withImage } from '../../test/support/task-world.ts'

const imagesOf = (world: TaskWorld): string => world.live().map(task => task.spec?.container?.image).sort().join('')
const imagesRunning = (world: TaskWorld): string => world.live().filter(task => stateOf(task) === 'running').map(task => task.spec?.container?.image).sort().join('')

/** A running service with image "a". */
async function running(spec: Draft<ServiceSpec>): Promise<TaskWorld> {
  const world = await TaskWorld.create([nodeDraft('n1'), nodeDraft('n2'), serviceDraft(spec)])
  await world.run()
  return world
}

/** Fails each live task with image "b" as it appears. */
async function failAllB(world: TaskWorld): Promise<void> {
  for (const task of world.live()) if (task.spec?.container?.image === 'b' && stateOf(task) === 'running') await world.fail(task)
  await world.settle()
}

test('by default one slot after the other is replaced, the old task first, and the update completes a monitor period later', async () => {
  const world = await running({ replicated: { replicas: 3 } })
  await world.updateService(withImage('b'))
  await world.settle()
  assert.deepEqual([world.service().updateStatus?.state, world.service().updateStatus?.message], ['updating', 'update in progress'])
  assert.equal(imagesOf(world), 'aab')
  assert.equal(world.live().find(task => task.spec?.container?.image === 'b')?.desiredState, 'ready')
  await world.run()
  assert.equal(imagesRunning(world), 'bbb')
  assert.equal(world.service().updateStatus?.state, 'updating')
  await world.advance(4_999)
  assert.equal(world.service().updateStatus?.state, 'updating')
  await world.advance(1)
  const status = world.service().updateStatus
  assert.deepEqual([status?.state, status?.message, status?.completedAtMs], ['completed', 'update completed', world.nowMs])
})

test('parallelism 0 replaces all at once, and each worker waits the delay after its slot', async () => {
  const all = await running({ replicated: { replicas: 3 }, update: { parallelism: 0 } })
  await all.updateService(withImage('b'))
  await all.settle()
  assert.equal(imagesOf(all), 'bbb')
  const two = await running({ replicated: { replicas: 5 }, update: { parallelism: 2, delayNs: 10e9 } })
  await two.updateService(withImage('b'))
  await two.run()
  assert.equal(imagesOf(two), 'aaabb')
  await two.advance(9_999)
  assert.equal(imagesOf(two), 'aaabb')
  await two.advance(1)
  assert.equal(imagesRunning(two), 'abbbb')
})

test('start-first runs the new task beside the old one, which stops when the new one runs', async () => {
  const world = await running({ replicated: { replicas: 2 }, update: { parallelism: 1, order: 'start-first' } })
  await world.updateService(withImage('b'))
  await world.settle()
  assert.equal(imagesOf(world), 'aab')
  assert(world.live().every(task => task.desiredState === 'running'))
  while (!imagesRunning(world).includes('b')) {
    assert.equal(imagesRunning(world), 'aa')
    await world.step()
  }
  await world.advance(6_000)
  assert.equal(imagesRunning(world), 'bb')
  assert.equal(world.service().updateStatus?.state, 'completed')
})

test('a failure pauses the update with its words, and nothing more is replaced until the next one', async () => {
  const world = await running({ replicated: { replicas: 3 } })
  await world.updateService(withImage('b'))
  await world.settle()
  const task = world.live().find(({ spec }) => spec?.container?.image === 'b')
  await world.fail(task, 'rejected')
  await world.settle()
  assert.deepEqual([world.service().updateStatus?.state, world.service().updateStatus?.message],
    ['paused', `update paused due to failure or early termination of task ${task?.id}`])
  await world.advance(60_000)
  assert.equal(imagesRunning(world), 'aab')
  await world.updateService(withImage('c'))
  await world.advance(60_000)
  assert.equal(imagesRunning(world), 'ccc')
  assert.equal(world.service().updateStatus?.state, 'completed')
})

test('ending soon after it ran is a failure, ending later is not', async () => {
  for (const [afterMs, state] of [[3_000, 'paused'], [6_000, 'updating']] as const) {
    const world = await running({ replicated: { replicas: 2 }, update: { parallelism: 1, delayNs: 4e9, monitorNs: 5e9 } })
    await world.updateService(withImage('b'))
    await world.run()
    const task = world.live().find(({ spec }) => spec?.container?.image === 'b')
    await world.advance(afterMs)
    await world.fail(task, 'complete')
    await world.settle()
    assert.equal(world.service().updateStatus?.state, state, `after ${afterMs}`)
  }
})

test('failures are tolerated up to the ratio, and not looked at with action continue', async () => {
  const tolerant = await running({ replicated: { replicas: 2 }, update: { parallelism: 1, maxFailureRatio: 0.5 } })
  await tolerant.updateService(withImage('b'))
  await tolerant.settle()
  await tolerant.fail(tolerant.live().find(({ spec }) => spec?.container?.image === 'b'), 'rejected')
  await tolerant.advance(60_000)
  assert.equal(tolerant.service().updateStatus?.state, 'completed')
  const careless = await running({ replicated: { replicas: 2 }, update: { parallelism: 1, failureAction: 'continue' } })
  await careless.updateService(withImage('b'))
  for (let i = 0; i < 4; i++) {
    await careless.run()
    await failAllB(careless)
  }
  await careless.advance(60_000)
  assert.equal(careless.service().updateStatus?.state, 'completed')
  assert.equal(imagesRunning(careless), 'bb')
})

test('action rollback goes back to the previous spec and completes as a rollback', async () => {
  const world = await running({ replicated: { replicas: 3 }, update: { parallelism: 1, failureAction: 'rollback' } })
  await world.updateService(withImage('b'))
  await world.settle()
  const task = world.live().find(({ spec }) => spec?.container?.image === 'b')
  await world.fail(task)
  await world.settle()
  const service = world.service()
  assert.deepEqual([service.updateStatus?.state, service.updateStatus?.message],
    ['rollback-started', `update rolled back due to failure or early termination of task ${task?.id}`])
  assert.equal(service.spec?.task?.container?.image, 'a')
  assert.equal(service.previousSpec, undefined)
  await world.advance(60_000)
  assert.equal(imagesRunning(world), 'aaa')
  assert.deepEqual([world.service().updateStatus?.state, world.service().updateStatus?.message], ['rollback-completed', 'rollback completed'])
})

test('a failing rollback pauses and is never rolled back', async () => {
  const world = await running({ replicated: { replicas: 1 }, update: { parallelism: 1, failureAction: 'rollback' } })
  await world.updateService(spec => withImage('b')({ ...spec, rollback: { parallelism: 1, delayNs: 0, failureAction: 'rollback', maxFailureRatio: 0, order: 'stop-first' } }))
  await world.store.update(tx => {
    const service = tx.get('service', 's')
    if (service?.previousSpec !== undefined) tx.update('service', { ...service, previousSpec: withImage('a')({ ...service.previousSpec, rollback: service.spec?.rollback }) })
  })
  for (let i = 0; i < 20 && world.service().updateStatus?.state !== 'rollback-paused'; i++) {
    await world.step()
    for (const task of world.live()) if (task.restart?.byUpdate === true && stateOf(task) === 'running') await world.fail(task)
    await world.settle()
  }
  assert.equal(world.service().updateStatus?.state, 'rollback-paused')
})

test('labels, replicas and the update config do not restart anything; force does', async () => {
  const world = await running({ replicated: { replicas: 2 } })
  const before = world.live().map(({ id }) => id)
  await world.updateService(spec => ({ ...spec, annotations: { name: 'web', labels: { x: 'y' } }, replicated: { replicas: 3 } }))
  await world.advance(10_000)
  assert.deepEqual(world.live().map(({ id }) => id).slice(0, 2), before)
  assert.equal(world.service().updateStatus, undefined)
  await world.updateService(spec => ({ ...spec, ...(spec.task && { task: { ...spec.task, forceUpdate: 1 } }) }))
  await world.advance(10_000)
  assert.equal(world.live().filter(({ id }) => before.includes(id)).length, 0)
})

test('an update replaces a task that has finished for good', async () => {
  const world = await running({ replicated: { replicas: 1 }, task: { restart: { condition: 'none' } } })
  await world.fail(world.live()[0], 'complete')
  await world.settle()
  await world.updateService(withImage('b'))
  await world.run()
  assert.equal(imagesRunning(world), 'b')
})

test('a second update in the middle of the first starts over from the mixture', async () => {
  const world = await running({ replicated: { replicas: 4 }, update: { parallelism: 1, delayNs: 60e9 } })
  await world.updateService(withImage('b'))
  await world.run()
  assert.equal(imagesOf(world), 'aaab')
  await world.updateService(spec => withImage('c')({ ...spec, update: { parallelism: 2, delayNs: 0, failureAction: 'pause', maxFailureRatio: 0, order: 'stop-first' } }))
  await world.advance(10_000)
  assert.equal(imagesRunning(world), 'cccc')
  assert.equal(world.service().updateStatus?.state, 'completed')
})

test('a start-first slot whose new task fails for good keeps the old one and is not tried again', async () => {
  const update = { parallelism: 1, order: 'start-first', failureAction: 'continue' } as const
  const world = await running({ replicated: { replicas: 1 }, update, task: { restart: { condition: 'none' } } })
  await world.updateService(withImage('b'))
  await world.settle()
  await world.fail(world.live().find(({ spec }) => spec?.container?.image === 'b'))
  await world.advance(60_000)
  assert.equal(imagesRunning(world), 'a')
  assert.equal(world.tasks().length, 2)
})
