import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Staleness } from './staleness.ts'

test('an answer is as stale as its oldest part, and other requests are not', () => {
  const staleness = new Staleness()
  const [one, other] = [new AbortController().signal, new AbortController().signal]
  staleness.note(one, 7_200)
  staleness.note(one, 300)
  staleness.note(one, 0)
  staleness.note(undefined, 9_000)
  assert.deepEqual(staleness.headers(one), { 'Shoal-Stale': '7' })
  assert.deepEqual(staleness.headers(other), {})
})

test('what is stale at all is marked with at least one second', () => {
  const staleness = new Staleness()
  const { signal } = new AbortController()
  staleness.note(signal, 1)
  assert.deepEqual(staleness.headers(signal), { 'Shoal-Stale': '1' })
})
