import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskState } from '../../src/api/swarm/objects.ts'
import { compareTaskStates, isTerminal, TASK_STATE_NUMBERS } from '../../src/api/swarm/task-state.ts'
import { nextOp, stateAfterFailure } from './next-op.ts'

const STATES = Object.keys(TASK_STATE_NUMBERS) as TaskState[]

function walk(desired: TaskState): string[] {
  const steps: string[] = []
  let state: TaskState = 'assigned'
  for (let op = nextOp(state, desired); op.kind !== 'none'; op = nextOp(state, desired)) {
    steps.push(op.kind === 'run' ? `${op.action}→${op.to.state} (${op.to.message})` : `${op.to.state} (${op.to.message})`)
    state = op.to.state
  }
  return steps
}

const TO_READY = ['accepted (accepted)', 'preparing (preparing)', 'prepare→ready (prepared)']

test('a task that should be ready is prepared and held back', () => assert.deepEqual(walk('ready'), TO_READY))

test('a task that should run goes all the way', () => {
  assert.deepEqual(walk('running'), [...TO_READY, 'starting (starting)', 'start→running (started)', 'wait→complete (finished)'])
  assert.deepEqual(walk('complete'), walk('running'))
})

test('a task that should stop or go is shut down from wherever it is', () => {
  for (const desired of ['shutdown', 'remove'] as const) {
    for (const state of STATES.filter(state => !isTerminal(state))) {
      assert.deepEqual(nextOp(state, desired), { kind: 'run', action: 'shutdown', to: { state: 'shutdown', message: 'shutdown' } })
    }
  }
})

test('for every state and desire: an ended task rests, and a step only goes up', () => {
  for (const state of STATES) {
    for (const desired of STATES) {
      const op = nextOp(state, desired)
      if (isTerminal(state)) assert.equal(op.kind, 'none')
      if (op.kind !== 'none') assert.ok(compareTaskStates(op.to.state, state) > 0, `${state} desired ${desired}`)
    }
  }
})

test('a failure before the start rejects, after it fails', () => {
  assert.equal(stateAfterFailure('preparing'), 'rejected')
  assert.equal(stateAfterFailure('ready'), 'rejected')
  assert.equal(stateAfterFailure('starting'), 'failed')
  assert.equal(stateAfterFailure('running'), 'failed')
})
