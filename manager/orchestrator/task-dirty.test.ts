import assert from 'node:assert/strict'
import test from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { Service, Task } from '../../src/api/swarm/objects.ts'
import { isSameData } from './same-data.ts'
import { isTaskDirty } from './task-dirty.ts'

const node = make('Node', { id: 'n1', description: { hostname: 'h1' } })
const service = (draft: Draft<Service>): Service => make('Service', { id: 's', specVersion: 2, ...draft })
const task = (draft: Draft<Task>): Task => make('Task', { id: 't', serviceId: 's', specVersion: 1, nodeId: 'n1', status: { state: 'running' }, ...draft })

test('the same spec version is never dirty, the same template under another version neither', () => {
  const spec = { task: { container: { image: 'a' } } }
  assert.equal(isTaskDirty(service({ spec }), task({ specVersion: 2, spec: { container: { image: 'b' } } }), node), false)
  assert.equal(isTaskDirty(service({ spec }), task({ spec: spec.task }), node), false)
  assert.equal(isTaskDirty(service({ spec }), task({ spec: { container: { image: 'b' } } }), node), true)
})

test('changed constraints alone do not matter while the node satisfies them', () => {
  const changed = (constraint: string): Service => service({ spec: { task: { container: { image: 'a' }, placement: { constraints: [constraint] } } } })
  const old = task({ spec: { container: { image: 'a' } } })
  assert.equal(isTaskDirty(changed('node.hostname==h1'), old, node), false)
  assert.equal(isTaskDirty(changed('node.hostname==h2'), old, node), true)
  assert.equal(isTaskDirty(changed('node.hostname==h1'), old, undefined), true)
})

test('changed registry credentials do not matter once the image is there', () => {
  const changed = service({ spec: { task: { container: { image: 'a', registryAuth: 'new' } } } })
  assert.equal(isTaskDirty(changed, task({ spec: { container: { image: 'a', registryAuth: 'old' } } }), node), false)
  assert.equal(isTaskDirty(changed, task({ spec: { container: { image: 'a' } }, status: { state: 'preparing' } }), node), true)
})

test('changed ports matter; no endpoint spec and an empty one are the same', () => {
  const ports = [{ targetPort: 80 }]
  assert.equal(isTaskDirty(service({ spec: { task: {}, endpoint: { ports } } }), task({ spec: {} }), node), true)
  assert.equal(isTaskDirty(service({ spec: { task: {}, endpoint: {} } }), task({ spec: {} }), node), false)
})

test('data is compared by content, an absent property like an undefined one', () => {
  assert.equal(isSameData({ a: [1, { b: Uint8Array.of(1) }] }, { a: [1, { b: Uint8Array.of(1) }], c: undefined }), true)
  assert.equal(isSameData({ a: Uint8Array.of(1) }, { a: Uint8Array.of(2) }), false)
  assert.equal(isSameData({ a: 1 }, { a: 1, b: 0 }), false)
  assert.equal(isSameData([], {}), false)
})
