import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SnapshotChunk } from '../../src/api/swarm/raft.ts'
import { recordsOfChunks, snapshotChunks } from './snapshot-stream.ts'

const envelope = { clusterId: 'c', from: 1, to: 2, message: new Uint8Array(), fromAddr: '', more: [], forkId: '' }

async function* stream<T>(values: readonly T[]): AsyncGenerator<T> { yield* values }

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}

test('records of any size come through, in chunks of at most 1 MiB, with a pause before each full one', async () => {
  const records = [0, 1, 5, 1024 * 1024 - 4, 1024 * 1024, 3_000_000, 7].map((length, i) => new Uint8Array(length).fill(i + 1))
  let pauses = 0
  const [first, ...rest] = await collect(snapshotChunks(envelope, stream(records), async () => { pauses += 1 }))
  assert.deepEqual(first?.envelope, envelope)
  assert.ok(rest.every(chunk => chunk.data.length <= 1024 * 1024))
  assert.deepEqual(rest.map(chunk => chunk.last), rest.map((_, i) => i === rest.length - 1))
  assert.equal(pauses, rest.length - 1)
  assert.deepEqual(await collect(recordsOfChunks(stream(rest))), records)
})

test('a stream that ends before its last chunk, or in a record, is refused', async () => {
  const whole = await collect(snapshotChunks(envelope, stream([new Uint8Array(10)]), async () => {}))
  await assert.rejects(collect(recordsOfChunks(stream<SnapshotChunk>([]))), { code: 'snapshot-malformed' })
  const last = whole.at(-1) as SnapshotChunk
  await assert.rejects(collect(recordsOfChunks(stream([{ ...last, data: last.data.subarray(0, 9) }]))), { code: 'snapshot-malformed' })
  await assert.rejects(collect(recordsOfChunks(stream([{ ...last, last: false }]))), { code: 'snapshot-malformed' })
})
