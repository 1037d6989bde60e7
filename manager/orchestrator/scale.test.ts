import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import type { Task, TaskState } from '../../src/api/swarm/objects.ts'
import { rankSlots } from './scale.ts'
import { groupSlots } from './slots.ts'

const task = (slot: number, nodeId: string, state: TaskState = 'running', id = `t${slot}`): Task =>
  make('Task', { id, slot, nodeId, desiredState: 'running', status: { state } })
const ranking = (...tasks: Task[]): number[] => rankSlots(groupSlots(tasks, 'number')).map(slot => slot.number)

test('the most crowded nodes lose first, and of the same copy number the highest slot', () => {
  assert.deepEqual(ranking(task(1, 'a'), task(2, 'a'), task(3, 'a'), task(4, 'b'), task(5, 'b'), task(6, 'c')), [1, 4, 6, 2, 5, 3])
})

test('of the same copy number those that run stay', () => {
  assert.deepEqual(ranking(task(1, 'a', 'preparing'), task(2, 'b'), task(3, 'b', 'preparing'), task(4, 'a')), [2, 4, 1, 3])
})

test('slots without a node and slots with two live tasks go before all others', () => {
  assert.deepEqual(ranking(task(1, '', 'new'), task(2, 'a'), task(2, 'b', 'running', 't2b'), task(3, 'a'), task(4, 'a')).slice(0, 2), [3, 4])
})
