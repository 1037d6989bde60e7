import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { randomInt } from '../../src/base/random.ts'
import { SortedMap } from './sorted-map.ts'

test('behaves like a sorted Map under random changes, and old versions stay as they were', () => {
  const random = new SeededRandom(7)
  const model = new Map<string, number>()
  let map = SortedMap.empty<number>()
  const kept: { readonly map: SortedMap<number>; readonly values: readonly number[] }[] = []
  for (let step = 0; step < 6000; step++) {
    const key = `k${randomInt(random, 1500)}`
    if (random.next() < (step < 3000 ? 0.8 : 0.2)) { model.set(key, step); map = map.set(key, step) }
    else { model.delete(key); map = map.delete(key) }
    if (step % 500 === 0) kept.push({ map, values: sortedValues(model) })
  }
  assert.deepEqual(map.values(), sortedValues(model))
  assert.equal(map.size, model.size)
  for (const [key, value] of model) assert.equal(map.get(key), value)
  assert.equal(map.get('absent'), undefined)
  for (const old of kept) assert.deepEqual(old.map.values(), old.values)
  const from = 'k7'
  assert.deepEqual([...map.entriesFrom(from)].map(([key]) => key), [...model.keys()].filter(key => key >= from).sort())
})

test('a change with 100,000 entries shares all but a little', () => {
  let map = SortedMap.empty<number>()
  for (let i = 0; i < 100_000; i++) map = map.set(String(i).padStart(6, '0'), i)
  assert.equal(map.size, 100_000)
  assert.equal(map.values(), map.values(), 'the list is made once')
  const changed = map.set('050000', -1)
  assert.equal(map.get('050000'), 50_000)
  assert.equal(changed.get('050000'), -1)
  assert.equal(changed.delete('050000').size, 99_999)
})

function sortedValues(model: ReadonlyMap<string, number>): number[] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}
