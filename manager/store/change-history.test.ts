import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../src/api/codec/codec.ts'
import { ChangeHistory } from './change-history.ts'
import type { StoreChange, StoreChanges } from './object-store.ts'

const SIGNAL = new AbortController().signal

function changed(version: number, options: { readonly changes?: number; readonly bytes?: number } = {}): StoreChanges {
  const change: StoreChange = { kind: 'config', action: 'create', object: make('Config', { id: `c${version}`, spec: { data: new Uint8Array(options.bytes ?? 0) } }) }
  return { version, atMs: version, changes: Array.from({ length: options.changes ?? 1 }, () => change) }
}
async function take(history: AsyncIterable<StoreChanges>, count: number): Promise<readonly number[]> {
  const versions: number[] = []
  for await (const { version } of history) if (versions.push(version) === count) break
  return versions
}

test('a reader gets all after its version, then what comes, each once and in order', async () => {
  const history = new ChangeHistory(10)
  for (const version of [11, 13, 17]) history.add(changed(version))
  assert.deepEqual(await take(history.after(10, SIGNAL), 3), [11, 13, 17])
  assert.deepEqual(await take(history.after(12, SIGNAL), 2), [13, 17])
  const coming = take(history.after(13, SIGNAL), 3)
  history.add(changed(18))
  history.add(changed(20))
  assert.deepEqual(await coming, [17, 18, 20])
})

test('a version that this manager has not reached is waited for, and what comes before it is left out', async () => {
  const history = new ChangeHistory(10)
  const coming = take(history.after(12, SIGNAL), 1)
  for (const version of [11, 12, 13]) history.add(changed(version))
  assert.deepEqual(await coming, [13])
})

test('who asks for more than is held has lagged, from the start on and after many changes', async () => {
  const history = new ChangeHistory(10)
  await assert.rejects(take(history.after(9, SIGNAL), 1), { code: 'lagged', kind: 'resource-exhausted' })
  for (let version = 11; version <= 5011; version++) history.add(changed(version))
  await assert.rejects(take(history.after(10, SIGNAL), 1), { code: 'lagged' })
  assert.deepEqual(await take(history.after(5009, SIGNAL), 2), [5010, 5011])
})

test('a reader that is too slow has lagged, and nobody waits for it', async () => {
  const history = new ChangeHistory(0)
  history.add(changed(1))
  const slow = history.after(0, SIGNAL)[Symbol.asyncIterator]()
  await slow.next()
  for (let version = 2; version <= 5000; version++) history.add(changed(version))
  await assert.rejects(Promise.resolve(slow.next()), { code: 'lagged' })
})

test('large configs and secrets count for more, but the last change is always held', async () => {
  const history = new ChangeHistory(0)
  for (let version = 1; version <= 6; version++) history.add(changed(version, { bytes: 2 ** 20 }))
  await assert.rejects(take(history.after(0, SIGNAL), 1), { code: 'lagged' })
  assert.deepEqual(await take(history.after(3, SIGNAL), 3), [4, 5, 6])
  history.add(changed(7, { bytes: 8 * 2 ** 20 }))
  assert.deepEqual(await take(history.after(6, SIGNAL), 1), [7])
  history.add(changed(8, { changes: 20_000 }))
  assert.deepEqual(await take(history.after(7, SIGNAL), 1), [8])
})

test('a replaced state makes readers of the one before lag', async () => {
  const history = new ChangeHistory(0)
  const waiting = take(history.after(0, SIGNAL), 1)
  history.restart(50)
  await assert.rejects(waiting, { code: 'lagged' })
  history.add(changed(51))
  assert.deepEqual(await take(history.after(50, SIGNAL), 1), [51])
})

test('an abort ends a reader that waits', async () => {
  const stop = new AbortController()
  const waiting = take(new ChangeHistory(0).after(0, stop.signal), 1)
  stop.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
})
