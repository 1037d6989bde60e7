import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../clock/fake-clock.ts'
import { SeededRandom } from '../clock/seeded-random.ts'
import { FaultyNetwork } from './faulty-network.ts'
import { MemoryNetwork } from './memory-rpc.ts'

const PATH = 't/Messages'

async function world() {
  const clock = new FakeClock()
  const memory = new MemoryNetwork({ clock })
  const network = new FaultyNetwork({ clock, random: new SeededRandom(7) })
  const server = memory.createServer()
  const taken: number[] = []
  const receiver = { isGone: false }
  server.handleMessages(PATH, ({ signal }) => {
    signal.addEventListener('abort', () => { receiver.isGone = true })
    return message => { taken.push(message[0] ?? -1) }
  })
  await server.listen('b:1')
  const told: string[] = []
  const open = () => network.wrap(memory.createDialer(), 'a').openMessages('b:1', PATH, { onReady: () => told.push('ready'), onAccepted: () => told.push('accepted'), onClosed: error => told.push(error.code) })
  return { clock, network, open, told, taken, receiver }
}
const message = (n: number): Uint8Array => Uint8Array.of(n)

test('a cut link fails a new channel after the connect timeout, or carries it when healed before', async () => {
  const { clock, network, open, told } = await world()
  network.cut('a', 'b')
  open()
  await clock.advance(4_900)
  assert.deepEqual(told, [])
  await clock.advance(200)
  assert.deepEqual(told, ['rpc-unavailable'])
  open()
  await clock.advance(2_000)
  network.heal('a', 'b')
  await clock.advance(0)
  assert.deepEqual(told, ['rpc-unavailable', 'ready'])
})

test('what is sent into a cut arrives when it is healed before both sides notice', async () => {
  const { clock, network, open, told, taken, receiver } = await world()
  const channel = open()
  await clock.advance(0)
  channel.send(message(1))
  await clock.advance(0)
  network.cutOneWay('a', 'b')
  channel.send(message(2))
  await clock.advance(4_000)
  assert.deepEqual([told, taken], [['ready', 'accepted'], [1]])
  network.healAll()
  await clock.advance(0)
  assert.deepEqual(taken, [1, 2])
  network.cut('a', 'b')
  channel.send(message(3))
  await clock.advance(4_900)
  assert.equal(receiver.isGone, false)
  await clock.advance(200)
  assert.deepEqual([told, taken, receiver.isGone], [['ready', 'accepted', 'rpc-unavailable'], [1, 2], true])
})

test('messages take their delay, many at once, and keep their order', async () => {
  const { clock, network, open, told, taken } = await world()
  network.faults = { lossRate: 0, delayMinMs: 50, delayMaxMs: 100 }
  const channel = open()
  await clock.advance(0)
  for (let n = 1; n <= 20; n++) channel.send(message(n))
  await clock.advance(49)
  assert.deepEqual(taken, [])
  await clock.advance(51)
  assert.deepEqual(taken, Array.from({ length: 20 }, (_, i) => i + 1))
  await clock.advance(100)
  assert.deepEqual(told, ['ready', 'accepted'])
})

test('who sends faster than the link carries is told to wait', async () => {
  const { clock, network, open, told, taken } = await world()
  network.faults = { lossRate: 0, delayMinMs: 10, delayMaxMs: 10 }
  const channel = open()
  await clock.advance(0)
  let sent = 1
  while (channel.send(message(0))) assert(sent++ < 1000)
  assert.deepEqual(told, ['ready'])
  await clock.advance(10)
  assert.deepEqual([told.filter(each => each === 'ready').length, taken.length], [2, sent])
})

test('a lost message is a lost channel', async () => {
  const { clock, network, open, told, taken } = await world()
  network.faults = { lossRate: 0.1, delayMinMs: 0, delayMaxMs: 0 }
  let lost = 0
  for (let i = 0; i < 100; i++) {
    const channel = open()
    await clock.advance(0)
    told.length = taken.length = 0
    for (let n = 1; n <= 5; n++) channel.send(message(n))
    await clock.advance(0)
    if (told.includes('rpc-unavailable')) lost++
    assert(taken.every((n, at) => n === at + 1), 'none arrives behind a lost one')
    channel[Symbol.dispose]()
  }
  assert(lost > 25 && lost < 70, `${lost} of 100 channels broke, each with five messages and their acceptance`)
})

test('who leaves its channel hears nothing more, and what it sent last may be lost', async () => {
  const { clock, network, open, told, taken, receiver } = await world()
  network.faults = { lossRate: 0, delayMinMs: 10, delayMaxMs: 10 }
  const channel = open()
  await clock.advance(0)
  channel.send(message(1))
  channel[Symbol.dispose]()
  await clock.advance(10_000)
  assert.deepEqual([told, taken, receiver.isGone], [['ready'], [], true])
})
