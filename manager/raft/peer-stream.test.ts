import assert from 'node:assert/strict'
import test from 'node:test'
import type { RaftEnvelope } from '../../src/api/swarm/raft.ts'
import type { RpcClient } from '../../src/base/rpc.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { PeerStream } from './peer-stream.ts'

test('messages that may wait travel together, 20 ms after the first', async () => {
  await using world = new StreamWorld()
  for (const byte of [1, 2, 3]) world.stream.send(envelope(byte), true)
  await world.clock.advance(19)
  assert.deepEqual(world.received, [])
  await world.clock.advance(1)
  assert.deepEqual(world.received, [[1, 2, 3]])
  world.stream.send(envelope(4), true)
  await world.clock.advance(20)
  assert.deepEqual(world.received, [[1, 2, 3], [4]])
})

test('one that may not wait takes along what waits, in order', async () => {
  await using world = new StreamWorld()
  world.stream.send(envelope(1), true)
  world.stream.send(envelope(2), false)
  await world.clock.advance(0)
  assert.deepEqual(world.received, [[1, 2]])
  await world.clock.advance(20)
  assert.deepEqual(world.received, [[1, 2]])
})

test('many bytes do not wait', async () => {
  await using world = new StreamWorld()
  for (const byte of [1, 2]) world.stream.send(envelope(byte, 200 * 1024), true)
  await world.clock.advance(0)
  assert.deepEqual(world.received, [[1, 2]])
})

function envelope(byte: number, length = 1): RaftEnvelope {
  return { clusterId: 'c', forkId: '', from: 1, to: 2, fromAddr: 'a:1', message: new Uint8Array(length).fill(byte), more: [] }
}

/** A stream to a peer that takes everything: `received` has the first byte of each message, by envelope. */
class StreamWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly received: number[][] = []
  readonly stream: PeerStream
  readonly #end = new AbortController()
  readonly #running: Promise<void>

  constructor() {
    const { received } = this
    const client = {
      address: 'b:1',
      async *stream(_method: unknown, requests: AsyncIterable<RaftEnvelope>) {
        for await (const { message, more } of requests) received.push([message, ...more].map(each => each[0] as number))
      },
    } as unknown as RpcClient
    const ignore = (): void => {}
    this.stream = new PeerStream({ clock: this.clock, random: new SeededRandom(1), logger: new MemoryLogger(), client, onUnreachable: ignore, onRefused: ignore, onGone: ignore })
    this.#running = this.stream.run(this.#end.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('test is over'))
    await this.#running.catch(() => {})
  }
}
