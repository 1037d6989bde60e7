import assert from 'node:assert/strict'
import { test } from 'node:test'
import { humanSize } from './human-size.ts'

test('sizes are rounded to the digits asked for, in the largest unit that fits', () => {
  assert.deepEqual([humanSize(0, 3), humanSize(999, 3), humanSize(1_000, 4), humanSize(4_213_000, 3), humanSize(4_213_000, 4), humanSize(2e18, 3)], ['0B', '999B', '1kB', '4.21MB', '4.213MB', '2000PB'])
})
