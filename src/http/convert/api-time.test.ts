import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiTimeMs, untilMs } from './api-time.ts'

const NOW_MS = 1_700_000_000_000

test('a moment is a number of seconds, with or without a fraction, or RFC 3339', () => {
  assert.deepEqual([apiTimeMs('12', 'since'), apiTimeMs('12.5', 'since'), apiTimeMs('2024-01-02T03:04:05Z', 'since')], [12_000, 12_500, Date.UTC(2024, 0, 2, 3, 4, 5)])
  assert.throws(() => apiTimeMs('10m', 'since'), { code: 'bad-parameter' })
})

test('until may also say how long ago', () => {
  assert.deepEqual(['10m', '1h30m', '1.5s', '250ms', '12', '2024-01-02T03:04:05Z'].map(text => untilMs(text, NOW_MS)),
    [NOW_MS - 600_000, NOW_MS - 5_400_000, NOW_MS - 1500, NOW_MS - 250, 12_000, Date.UTC(2024, 0, 2, 3, 4, 5)])
  for (const text of ['', '10', '10x', '-10m', 'm', '1h nonsense']) {
    if (text === '10') assert.equal(untilMs(text, NOW_MS), 10_000)
    else assert.throws(() => untilMs(text, NOW_MS), { code: 'bad-parameter' }, text)
  }
})
