import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { StoreObject, Task } from '../../src/api/swarm/objects.ts'
import type { NodeAvailability, TaskSpec } from '../../src/api/swarm/specs.ts'
import { createTestStore } from '../store/test-store.ts'
import { ConstraintEnforcer } from './constraint-enforcer.ts'

const task = (id: string, spec: Draft<TaskSpec>, rest: Draft<Task> = {}): Draft<StoreObject> =>
  ({ task: { id, serviceId: 's', nodeId: 'n1', desiredState: 'running', status: { state: 'running' }, spec, ...rest } })

async function rejectedBy(options: { availability?: NodeAvailability; service?: Draft<TaskSpec>; tasks: Draft<StoreObject>[] }): Promise<string[]> {
  const { store } = await createTestStore({ objects: [
    { node: { id: 'n1', status: { state: 'ready' }, spec: { availability: options.availability ?? 'active' }, description: { resources: { nanoCpus: 2e9, generic: [{ kind: 'gpu', discrete: 1 }] } } } },
    { service: { id: 's', spec: { annotations: { name: 'web' }, task: options.service ?? {} } } }, ...options.tasks] })
  return new ConstraintEnforcer().decide(store.view(), 'n1', 5).writes.map(write => {
    assert(write.action === 'update' && write.kind === 'task')
    assert.deepEqual([write.object.status?.state, write.object.status?.message, write.object.status?.err],
      ['rejected', 'task rejected by constraint enforcer', 'assigned node no longer meets constraints'])
    return write.object.id
  })
}

test('tasks that no longer meet the constraints of their service are rejected', async () => {
  const service = { placement: { constraints: ['node.labels.a==b'] } }
  assert.deepEqual(await rejectedBy({ service, tasks: [task('t1', {})] }), ['t1'])
  assert.deepEqual(await rejectedBy({ service, tasks: [task('t1', {}, { status: { state: 'failed' } }), task('t2', {}, { desiredState: 'shutdown' })] }), [])
})

test('tasks that no longer fit are rejected, the others stay', async () => {
  const spec = { resources: { reservations: { nanoCpus: 1e9 } } }
  assert.deepEqual(await rejectedBy({ tasks: [task('t1', spec), task('t2', spec), task('t3', spec)] }), ['t3'])
  assert.deepEqual(await rejectedBy({ tasks: [task('t1', {}, { genericResources: [{ kind: 'gpu', discrete: 2 }] })] }), ['t1'])
})

test('paused and drained nodes are left alone', async () => {
  const service = { placement: { constraints: ['node.labels.a==b'] } }
  assert.deepEqual(await rejectedBy({ availability: 'drain', service, tasks: [task('t1', {})] }), [])
  assert.deepEqual(await rejectedBy({ availability: 'pause', service, tasks: [task('t1', {})] }), [])
})
