import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { randomInt } from '../../base/random.ts'
import { SeededRandom } from '../clock/seeded-random.ts'
import { createRingMemory, RING_BYTES, RingReader, RingWriter } from './append-ring.ts'

function createRing(): { readonly writer: RingWriter; readonly reader: RingReader } {
  const memory = createRingMemory()
  return { writer: new RingWriter(memory), reader: new RingReader(memory) }
}

test('what is written is taken once, in order, by its id', () => {
  const { writer, reader } = createRing()
  assert.equal(reader.take(1), undefined)
  assert.ok(writer.write(1, [Uint8Array.of(1, 2, 3), new Uint8Array()]))
  assert.ok(writer.write(3, []))
  assert.deepEqual(reader.take(1), [Uint8Array.of(1, 2, 3), new Uint8Array()])
  assert.equal(reader.take(2), undefined)
  assert.deepEqual(reader.take(3), [])
  assert.equal(reader.take(4), undefined)
})

test('a full ring refuses, and takes again what fits when some was taken', () => {
  const { writer, reader } = createRing()
  let last = 0
  while (writer.write(last + 1, [new Uint8Array(100_000).fill(last + 1)])) last += 1
  assert.equal(last, Math.floor(RING_BYTES / 100_016))
  assert.equal(reader.take(1)?.[0]?.[99_999], 1)
  assert.ok(writer.write(last + 1, [new Uint8Array(100_000).fill(last + 1)]))
  for (let id = 2; id <= last + 1; id++) assert.equal(reader.take(id)?.[0]?.[0], id)
})

test('what takes more than half of the ring is refused', () => {
  assert.equal(createRing().writer.write(1, [new Uint8Array(RING_BYTES / 2)]), false)
})

test('any records come out as they went in, many times around', () => {
  const { writer, reader } = createRing()
  const random = new SeededRandom(7)
  const sent: { readonly id: number; readonly records: readonly Uint8Array[] }[] = []
  let bytes = 0
  for (let id = 1; bytes < 20 * RING_BYTES; id++) {
    const records = Array.from({ length: randomInt(random, 4) }, () => new Uint8Array(randomInt(random, randomInt(random, 8) === 0 ? 90_000 : 900)).fill(id))
    while (!writer.write(id, records)) {
      const next = sent.shift()
      assert.deepEqual(reader.take(next?.id ?? 0), next?.records)
    }
    sent.push({ id, records })
    bytes += records.reduce((sum, { length }) => sum + length, 0)
  }
  for (const { id, records } of sent) assert.deepEqual(reader.take(id), records)
})

test('a reader that looked before something came does not wait', () => {
  const { writer, reader } = createRing()
  const { signal } = reader
  writer.wake()
  reader.wait(signal)
})

test('a reader that may stay awake does not wait either when something came, and sleeps after its time until something comes', async () => {
  const memory = createRingMemory()
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)]
  const { signal } = reader
  writer.wake(1000)
  reader.wait(signal)
  writer.wake(1)
  const asleep = new Int32Array(new SharedArrayBuffer(4))
  const path = new URL('./append-ring.js', import.meta.url).href
  const sleeper = new Worker(`const { workerData: { memory, path, done } } = require('node:worker_threads')
    import(path).then(({ RingReader }) => {
      const reader = new RingReader(memory)
      const { signal } = reader
      Atomics.store(done, 0, 1); Atomics.notify(done, 0)
      reader.wait(signal)
      Atomics.store(done, 0, 2); Atomics.notify(done, 0)
    })`, { eval: true, workerData: { memory, path, done: asleep } })
  const ended = new Promise(resolve => sleeper.on('exit', resolve))
  assert.equal(Atomics.wait(asleep, 0, 0, 10_000), 'ok')
  assert.equal(Atomics.wait(asleep, 0, 1, 50), 'timed-out')
  writer.wake()
  assert.notEqual(Atomics.wait(asleep, 0, 1, 10_000), 'timed-out')
  await ended
})
