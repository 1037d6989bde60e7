import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../src/platform/clock/fake-clock.ts'
import { Container } from './container.ts'
import { NEW_STATE, type ContainerRecord } from './container-record.ts'
import { HealthMonitor } from './health-monitor.ts'

const RECORD: ContainerRecord = {
  id: 'ab'.repeat(32), name: 'web', created: '2024-01-01T00:00:00Z', imageId: 'sha256:1', diffIds: [], config: { Healthcheck: { Test: ['CMD', 'check'], Interval: 1e9, Retries: 1 } }, hostConfig: {}, endpoints: {}, mounts: [],
  state: { ...NEW_STATE, status: 'running' }, restartCount: 0, stoppedByUser: false,
}

test('checks go on while the disk takes no more, and their verdicts are told', async () => {
  const clock = new FakeClock()
  let isFull = true
  const unsaved: unknown[] = []
  const container = new Container(RECORD, async () => { if (isFull) throw new Error('no space left on device') }, err => { unsaved.push(err) })
  const told: string[] = []
  let exitCode = 0
  const monitor = new HealthMonitor({ clock, probe: async () => ({ exitCode, output: '' }), publish: (_container, action) => { told.push(action) } })
  const ended = new AbortController()
  const running = monitor.run(container, ended.signal)
  await clock.advance(1000)
  assert.equal(container.state.health?.Status, 'healthy')
  assert.ok(unsaved.length > 0)
  isFull = false
  exitCode = 1
  await clock.advance(1000)
  assert.equal(container.state.health?.Status, 'unhealthy')
  assert.deepEqual(told, ['health_status: healthy', 'health_status: unhealthy'])
  ended.abort(new Error('ended'))
  await running
})
