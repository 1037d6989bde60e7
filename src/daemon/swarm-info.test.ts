import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countWarnings } from './swarm-info.ts'

test('an even number of managers is warned of: two in dockerd\'s words, more with what it costs', () => {
  for (const odd of [0, 1, 3, 5, 7]) assert.deepEqual(countWarnings(odd), [])
  assert.match(countWarnings(2)[0] ?? '', /^WARNING: Running Swarm in a two-manager configuration\./)
  assert.match(countWarnings(4)[0] ?? '', /^WARNING: Running Swarm with 4 managers, an even number\. It tolerates the loss of 1, as 3 do/)
  assert.match(countWarnings(6)[0] ?? '', /tolerates the loss of 2, as 5 do/)
})
