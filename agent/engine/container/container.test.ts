import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Container } from './container.ts'
import { NEW_STATE, type ContainerRecord } from './container-record.ts'

const RECORD: ContainerRecord = {
  id: 'ab'.repeat(32), name: 'web', created: '2024-01-01T00:00:00Z', imageId: 'sha256:1', diffIds: [], config: {}, hostConfig: {}, endpoints: {}, mounts: [], state: NEW_STATE, restartCount: 0, stoppedByUser: false,
}

test('changes of different parts of a record that come at once are all kept, in memory and on disk, and none is seen before it is on disk', async () => {
  const saved: ContainerRecord[] = []
  let writing = 0
  const container = new Container(RECORD, async record => {
    assert.equal(++writing, 1, 'two writers of one file')
    await new Promise<void>(resolve => { setImmediate(resolve) })
    saved.push(record)
    writing--
  }, err => { throw err })
  const changes = [container.updateState({ status: 'paused' }), container.update({ endpoints: { front: {} } }), container.updateState({ exitCode: 3 }), container.observe({ name: 'other' })]
  assert.equal(container.record, RECORD)
  await Promise.all(changes)
  const { state, endpoints, name } = container.record
  assert.deepEqual([state.status, state.exitCode, Object.keys(endpoints), name], ['paused', 3, ['front'], 'other'])
  assert.deepEqual(saved.at(-1), container.record)
})

test('a change that cannot be written is not seen, and those after it are', async () => {
  let fails = true
  const container = new Container(RECORD, async () => { await Promise.resolve(); if (fails) throw new Error('no space left on device') }, () => undefined)
  const refused = container.update({ name: 'other' })
  await assert.rejects(refused, /no space left/)
  fails = false
  await container.update({ restartCount: 2 })
  assert.deepEqual([container.record.name, container.record.restartCount], ['web', 2])
})

test('what a restart policy decides by after a reboot outlives a power failure; of a container without one only what was asked for', async () => {
  for (const [policy, expected] of [['unless-stopped', [true, false, true, true, false]], ['no', [false, false, false, false, false]]] as const) {
    const synced: boolean[] = []
    const container = new Container({ ...RECORD, hostConfig: { RestartPolicy: { Name: policy } } }, async (_record, sync) => { synced.push(sync) }, err => { throw err })
    await container.updateState({ status: 'running' })
    await container.updateState({ status: 'paused' })
    await container.observe({ stoppedByUser: true })
    await container.update({ stoppedByUser: false })
    await container.update({ restartCount: 1 })
    assert.deepEqual(synced, expected, policy)
  }
})
