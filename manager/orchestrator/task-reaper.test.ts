import assert from 'node:assert/strict'
import test from 'node:test'
import type { Draft } from '../../src/api/codec/codec.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import type { RestartPolicy } from '../../src/api/swarm/specs.ts'
import { createTestStore } from '../store/test-store.ts'
import { TaskReaper } from './task-reaper.ts'

let nowMs = 1_000

async function reaped(options: { limit?: number; restart?: Draft<RestartPolicy>; key?: string; tasks: Draft<Task>[] }): Promise<string[]> {
  const { store } = await createTestStore({ nowMs: () => nowMs, objects: [
    { cluster: { id: 'c', spec: { taskHistoryRetentionLimit: options.limit ?? 5 } } },
    { service: { id: 's', spec: { annotations: { name: 'web' }, replicated: { replicas: 1 }, task: { ...(options.restart && { restart: options.restart }) } } } }] })
  for (const task of options.tasks) {
    nowMs++
    await store.update(tx => tx.create('task', { networks: [], genericResources: [], serviceId: 's', slot: 1, nodeId: 'n', specVersion: 0, ...task } as Task))
  }
  return new TaskReaper().decide(store.view(), options.key ?? 's', nowMs).writes.map(write => (write.action === 'remove' ? write.id : ''))
}

const gone = (id: string): Draft<Task> => ({ id, desiredState: 'shutdown', status: { state: 'failed' } })
const live = (id: string): Draft<Task> => ({ id, desiredState: 'running', status: { state: 'running' } })

test('the oldest beyond the limit go, the live one counted', async () => {
  assert.deepEqual(await reaped({ limit: 2, tasks: [gone('t9'), gone('t1'), gone('t5'), live('t2')] }), ['t9', 't1'])
  assert.deepEqual(await reaped({ limit: -1, tasks: [gone('t9'), gone('t1'), live('t2')] }), [])
})

test('a limit on restarts keeps as many tasks and one', async () => {
  assert.deepEqual(await reaped({ limit: 1, restart: { condition: 'any', attemptsMax: 2 }, tasks: [gone('t1'), gone('t2'), gone('t3'), live('t4')] }), ['t1'])
})

test('what still runs and what the orchestrator has not looked at stay, and so does the youngest', async () => {
  const stopping: Draft<Task> = { id: 't1', desiredState: 'shutdown', status: { state: 'running' } }
  const failed: Draft<Task> = { id: 't2', desiredState: 'running', status: { state: 'failed' } }
  assert.deepEqual(await reaped({ limit: 0, tasks: [stopping, failed, gone('t3'), gone('t4')] }), ['t3'])
})

test('tasks to be removed go once they have stopped or if they never reached a node', async () => {
  const removed = (id: string, state: 'pending' | 'running' | 'shutdown'): Draft<Task> => ({ id, desiredState: 'remove', status: { state } })
  assert.deepEqual(await reaped({ tasks: [removed('t1', 'pending'), removed('t2', 'running'), removed('t3', 'shutdown')] }), ['t1', 't3'])
})

test('an orphaned task without a service goes at once', async () => {
  const attached = (id: string, state: 'orphaned' | 'running'): Draft<Task> => ({ id, serviceId: '', desiredState: 'running', status: { state } })
  assert.deepEqual(await reaped({ key: '', tasks: [attached('t1', 'orphaned'), attached('t2', 'running')] }), ['t1'])
})
