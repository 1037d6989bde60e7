import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { EventLog } from './event-log.ts'

const HOUR_MS = 3_600_000

test('events have times of their own, in order; a clock that is set, back or forward, is followed', () => {
  let nowMs = 1_700_000_000_000
  const log = new EventLog(Object.assign(new FakeClock(), { nowMs: () => nowMs }) satisfies Clock)
  const publish = (count: number): void => { for (let at = 0; at < count; at++) log.publish('container', 'start', 'c', {}) }
  publish(3)
  // By a time server, a little.
  nowMs -= 500
  publish(3)
  const times = log.recent().map(({ timeNano = 0 }) => timeNano)
  for (const [at, time] of times.entries()) assert.ok(at === 0 || time > (times[at - 1] ?? 0))
  for (const jumpMs of [-3 * HOUR_MS, 5 * HOUR_MS]) {
    nowMs += jumpMs
    publish(1)
    const last = log.recent().at(-1)
    assert.deepEqual([last?.time, Math.round((last?.timeNano ?? 0) / 1e6)], [Math.floor(nowMs / 1000), nowMs])
  }
})
