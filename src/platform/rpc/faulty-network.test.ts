import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unaryHandler, streamOf, type RpcMethod } from '../../base/rpc.ts'
import { FakeClock } from '../clock/fake-clock.ts'
import { SeededRandom } from '../clock/seeded-random.ts'
import { FaultyNetwork } from './faulty-network.ts'
import { MemoryNetwork } from './memory-rpc.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const ECHO: RpcMethod<string, string> = { path: 't/Echo', kind: 'unary', encodeRequest: encode, decodeRequest: decode, encodeResponse: encode, decodeResponse: decode }
const DOWN: RpcMethod<string, string> = { ...ECHO, path: 't/Down', kind: 'server-stream' }

async function world() {
  const clock = new FakeClock()
  const memory = new MemoryNetwork({ clock })
  const network = new FaultyNetwork({ clock, random: new SeededRandom(7) })
  const server = memory.createServer()
  server.handle(ECHO, unaryHandler(async text => text))
  let isAborted = false
  server.handle(DOWN, async function* (_, { signal }) {
    yield 'started'
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
    isAborted = true
  })
  await server.listen('b:1')
  return { clock, network, client: network.wrap(memory.createDialer(), 'a').dial('b:1'), isAborted: () => isAborted }
}

test('a cut link fails a new call after the connect timeout, or carries it when healed before', async () => {
  const { clock, network, client } = await world()
  network.cut('a', 'b')
  const lost = assert.rejects(client.unary(ECHO, 'x'), { kind: 'unavailable' })
  await clock.advance(5_000)
  await lost
  const carried = client.unary(ECHO, 'y')
  await clock.advance(2_000)
  network.heal('b', 'a')
  await clock.advance(0)
  assert.equal(await carried, 'y')
})

test('a live stream notices a cut after the keepalive time, on both sides', async () => {
  const { clock, network, client, isAborted } = await world()
  const reading = assert.rejects(async () => { for await (const _ of client.stream(DOWN, streamOf(''))) network.partition([['a'], ['b', 'c']]) }, { kind: 'unavailable' })
  await clock.advance(4_900)
  assert.equal(isAborted(), false)
  await clock.advance(200)
  await reading
  assert.equal(isAborted(), true)
})

test('what is cut one way loses its connection, and until then carries what goes the other way', async () => {
  const { clock, network, client } = await world()
  network.faults = { lossRate: 0, delayMinMs: 100, delayMaxMs: 100 }
  const lost = assert.rejects(client.unary(ECHO, 'x'), { kind: 'unavailable' })
  await clock.advance(50)
  // The request is on its way already; the answer goes against the open direction's sense.
  network.cutOneWay('a', 'b')
  const answered = client.unary(ECHO, 'y')
  const refused = assert.rejects(answered, { kind: 'unavailable' })
  network.heal('a', 'b')
  network.cutOneWay('b', 'a')
  await clock.advance(5_100)
  await Promise.all([lost, refused])
  network.healAll()
  const carried = client.unary(ECHO, 'z')
  await clock.advance(200)
  assert.equal(await carried, 'z')
})

test('a stopped host answers when it goes on, and healing the links does not wake it', async () => {
  const { clock, network, client } = await world()
  network.stop('b')
  const answered = client.unary(ECHO, 'x')
  network.healAll()
  let isDone = false
  void answered.then(() => { isDone = true })
  await clock.advance(4_000)
  assert.equal(isDone, false)
  network.goOn('b')
  await clock.advance(0)
  assert.equal(await answered, 'x')
})

test('messages take their delay', async () => {
  const { clock, network, client } = await world()
  network.faults = { lossRate: 0, delayMinMs: 100, delayMaxMs: 100 }
  const call = client.unary(ECHO, 'x')
  let isDone = false
  void call.then(() => { isDone = true })
  await clock.advance(199)
  assert.equal(isDone, false)
  await clock.advance(1)
  assert.equal(await call, 'x')
})

test('losses break calls at about their rate', async () => {
  const { network, client } = await world()
  network.faults = { lossRate: 0.2, delayMinMs: 0, delayMaxMs: 0 }
  let failed = 0
  for (let i = 0; i < 200; i++) await client.unary(ECHO, 'x').catch(() => { failed++ })
  assert.ok(failed > 40 && failed < 110, `${failed} of 200 calls failed, each has two messages`)
})
