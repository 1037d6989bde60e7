import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { Node, Task } from '../../src/api/swarm/objects.ts'
import { createTestStore } from '../store/test-store.ts'
import { ServiceReconciler } from './service-reconciler.ts'

const reconciler = new ServiceReconciler({ createId: () => 'x' })
const task = (draft: Draft<Task>): Task => make('Task', { id: 't', serviceId: 's', nodeId: 'n1', desiredState: 'running', status: { state: 'assigned' }, ...draft })
const node = (draft: Draft<Node>): Node => make('Node', { id: 'n1', status: { state: 'ready' }, ...draft })

async function keysOf(object: Task, old: Task | undefined): Promise<string[]> {
  const { store } = await createTestStore({ objects: [{ node: node({}) }, { node: node({ id: 'n2', status: { state: 'down' } }) },
    { service: { id: 'u', spec: { annotations: { name: 'u' } }, updateStatus: { state: 'updating' } } }] })
  return [...reconciler.keysOf({ kind: 'task', action: old === undefined ? 'create' : 'update', object, ...(old && { old }) }, store.view())]
}

test('a first task on its way to running asks for no decision', async () => {
  assert.deepEqual(await keysOf(task({}), undefined), [])
  assert.deepEqual(await keysOf(task({ status: { state: 'running' } }), task({})), [])
  assert.deepEqual(await keysOf(task({}), task({ nodeId: '' })), [])
})

test('the end of a task, a changed wish and a node lost in the same moment do', async () => {
  assert.deepEqual(await keysOf(task({ status: { state: 'failed' } }), task({})), ['s'])
  assert.deepEqual(await keysOf(task({ desiredState: 'shutdown' }), task({})), ['s'])
  assert.deepEqual(await keysOf(task({ nodeId: 'n2' }), task({ nodeId: '' })), ['s'])
})

test('a replacement asks when it is made, and any task of a service that was updated when it runs', async () => {
  assert.deepEqual(await keysOf(task({ restart: { predecessorId: 'p' } }), undefined), ['s'])
  assert.deepEqual(await keysOf(task({ serviceId: 'u', status: { state: 'running' } }), task({ serviceId: 'u' })), ['u'])
})

test('a change of a node asks for the services with tasks there and for all global ones', async () => {
  const { store } = await createTestStore({ objects: [
    { task: { id: 't', serviceId: 's', nodeId: 'n1' } }, { task: { id: 'u', serviceId: 'other', nodeId: 'n2' } },
    { service: { id: 'g', spec: { annotations: { name: 'g' }, global: {} } } }] })
  const down = node({ status: { state: 'down' } })
  assert.deepEqual([...reconciler.keysOf({ kind: 'node', action: 'update', object: down, old: node({}) }, store.view())], ['s', 'g'])
})

test('all services are keys, and those that are gone while tasks of them are left', async () => {
  const { store } = await createTestStore({ objects: [{ service: { id: 'a', spec: { annotations: { name: 'a' } } } }, { task: { id: 't', serviceId: 'gone' } }] })
  assert.deepEqual([...reconciler.keys(store.view())], ['a', 'gone'])
})
