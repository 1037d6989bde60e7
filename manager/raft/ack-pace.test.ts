import assert from 'node:assert/strict'
import test from 'node:test'
import { AckPace } from './ack-pace.ts'

test('nothing is known of a member at first; what takes long already counts', () => {
  const pace = new AckPace()
  assert.equal(pace.delayMs(1000), 0)
  pace.sent(5, 1000)
  assert.equal(pace.delayMs(1030), 30)
})

test('the average follows what acknowledgements took, one append at a time', () => {
  const pace = new AckPace()
  for (let i = 1; i <= 40; i++) {
    pace.sent(i * 10, i * 1000)
    pace.sent(i * 10 + 5, i * 1000 + 5)
    pace.acknowledged(i * 10 - 1, i * 1000 + 6)
    pace.acknowledged(i * 10, i * 1000 + 8)
  }
  assert.equal(Math.round(pace.delayMs(100_000)), 8)
})
