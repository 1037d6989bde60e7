import assert from 'node:assert/strict'
import test from 'node:test'
import { restartPolicyOf, updateConfigOf } from './defaults.ts'
import { compareTaskStates, hasStopped, isAtLeast, isTerminal, TASK_STATE_NUMBERS } from './task-state.ts'
import type { TaskState } from './objects.ts'
import { taskName } from './task-name.ts'

const ORDER: readonly TaskState[] = ['new', 'pending', 'assigned', 'accepted', 'preparing', 'ready', 'starting', 'running', 'complete', 'shutdown',
  'failed', 'rejected', 'remove', 'orphaned']

test('states are ordered by their numbers, preparing before ready and shutdown before failed', () => {
  assert.deepEqual([...ORDER].reverse().sort(compareTaskStates), ORDER)
  assert.equal(TASK_STATE_NUMBERS.running, 512)
  assert.deepEqual(ORDER.filter(isTerminal), ORDER.slice(8))
})

test('a state from a newer manager is compared by its number', () => {
  const unknown = 600 as unknown as TaskState
  assert.equal(isTerminal(unknown), true)
  assert.equal(isAtLeast('shutdown', unknown), true)
})

test('a task that was told to stop before it reached a node has stopped', () => {
  assert.equal(hasStopped({ desiredState: 'shutdown' }), true)
  assert.equal(hasStopped({ desiredState: 'running' }), false)
})

test('tasks are named after their slot, or their node where there is no slot', () => {
  assert.equal(taskName({ id: 't', serviceName: 'web', slot: 3, nodeId: 'n' }), 'web.3.t')
  assert.equal(taskName({ id: 't', serviceName: 'web', slot: 0, nodeId: 'n' }), 'web.n.t')
})

test('absent policies mean the defaults, and a given parallelism of 0 means all at once', () => {
  assert.deepEqual(restartPolicyOf(undefined), { condition: 'any', delayMs: 5000, attemptsMax: 0, windowMs: 0 })
  assert.equal(updateConfigOf(undefined).parallelism, 1)
  const given = updateConfigOf({ parallelism: 0, delayNs: 0, failureAction: 'pause', maxFailureRatio: 0, order: 'stop-first' })
  assert.deepEqual([given.parallelism, given.monitorMs], [0, 5000])
})
