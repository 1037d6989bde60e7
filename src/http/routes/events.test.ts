import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../../api/codec/codec.ts'
import type { EventMessage } from '../../api/engine/engine-json.ts'
import { Channel } from '../../base/channel.ts'
import { ShoalError } from '../../base/errors.ts'
import { SwarmEvents } from '../events/swarm-events.ts'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import type { WatchedChanges, WatchPosition } from './control-backend.ts'
import { API_VERSION_MAX } from '../server/api-version.ts'
import type { ApiRequest } from '../server/api-request.ts'
import { Query } from '../server/query.ts'
import type { Reply } from '../server/reply.ts'
import { eventRoutes } from './events.ts'

const started = (name: string, atSeconds: number): EventMessage => ({ Type: 'container', Action: 'start', Actor: { ID: name, Attributes: { name } }, scope: 'local', time: atSeconds, timeNano: atSeconds * 1e9 })
const created = watched('s1', 5)

function watched(id: string, version: number): WatchedChanges {
  return { clusterId: 'c', version, events: [make('StoreEvent', { action: 'create', object: { service: { id, spec: { annotations: { name: 'web' } } } }, atMs: 5000 })] }
}

interface World {
  readonly clock: FakeClock
  readonly local: Channel<EventMessage>
  swarm: Channel<WatchedChanges>
  /** Where each watch was to go on. */
  readonly resumed: (WatchPosition | undefined)[]
  readonly recent: EventMessage[]
  readonly node: { isManager: boolean }
  readonly log: MemoryLogger
  read(query: string, signal?: AbortSignal): AsyncIterator<{ readonly Actor: { readonly ID: string } }>
}

/** A reader that saw one event before the watch ended with `error`, and the next watch began. */
async function afterLosing(error: ShoalError) {
  const w = world()
  const events = w.read('')
  w.swarm.push(created)
  assert.equal(await idOf(events.next()), 's1')
  const lost = w.swarm
  w.swarm = new Channel(100)
  lost.fail(error)
  await w.clock.advance(2000)
  return { w, events }
}

function world(isManager = true): World {
  const clock = new FakeClock()
  const local = new Channel<EventMessage>(100)
  const recent: EventMessage[] = []
  const node = { isManager }
  const log = new MemoryLogger()
  const made: Pick<World, 'swarm' | 'resumed'> = { swarm: new Channel(100), resumed: [] }
  const swarmEvents = new SwarmEvents({
    clock, logger: log, control: {
      watch: resume => {
        if (!node.isManager) throw new ShoalError('unavailable', 'swarm-inactive', 'no swarm')
        made.resumed.push(resume)
        return made.swarm
      },
    },
  })
  return Object.assign(made, {
    clock, local, recent, node, log,
    read: (query: string, signal = new AbortController().signal) => {
      const [route] = eventRoutes({ subscribe: () => local, recent: () => recent }, swarmEvents, clock)
      const request = { query: new Query(query), signal, params: {}, version: API_VERSION_MAX } as unknown as ApiRequest
      const reply = route?.handler(request) as Reply & { readonly kind: 'lines' }
      return reply.values[Symbol.asyncIterator]() as ReturnType<World['read']>
    },
  })
}

const idOf = async (next: Promise<IteratorResult<{ readonly Actor: { readonly ID: string } }>>): Promise<string | undefined> => {
  const { value, done } = await next
  return done === true ? undefined : value.Actor.ID
}

test('events of the host and of the swarm come as one stream', async () => {
  const w = world()
  const events = w.read('')
  w.local.push(started('a', 1))
  assert.equal(await idOf(events.next()), 'a')
  w.swarm.push(created)
  assert.equal(await idOf(events.next()), 's1')
})

test('a node outside a swarm has its own events, and the swarm\'s as soon as it is a manager', async () => {
  const w = world(false)
  const events = w.read('')
  w.local.push(started('a', 1))
  assert.equal(await idOf(events.next()), 'a')
  w.node.isManager = true
  const next = idOf(events.next())
  await w.clock.advance(2000)
  w.swarm.push(created)
  assert.equal(await next, 's1')
})

test('a lost leader costs no event: the next watch goes on where the last one was', async () => {
  const { w, events } = await afterLosing(new ShoalError('unavailable', 'rpc-unavailable', 'the leader is gone'))
  assert.deepEqual(w.resumed, [undefined, { clusterId: 'c', version: 5 }])
  w.swarm.push(watched('s2', 9))
  assert.equal(await idOf(events.next()), 's2')
})

test('events that nobody holds any more are said to be missing, and newer ones come', async () => {
  const { w, events } = await afterLosing(new ShoalError('resource-exhausted', 'lagged', 'no longer held'))
  assert.deepEqual(w.resumed, [undefined, undefined])
  assert(w.log.lines.some(({ message }) => /events of the swarm were missed/.test(message)))
  w.swarm.push(watched('s2', 9))
  assert.equal(await idOf(events.next()), 's2')
})

test('since replays what is still in memory, and until in the past ends the stream', async () => {
  const w = world()
  w.recent.push(started('old', 10), started('wanted', 20), started('late', 30))
  const events = w.read(`since=15&until=25&filters=${encodeURIComponent('{"type":["container"]}')}`)
  assert.equal(await idOf(events.next()), 'wanted')
  assert.equal(await idOf(events.next()), undefined)
})

test('the swarm\'s events are kept for those who come later, in order with the host\'s', async () => {
  const w = world()
  w.swarm.push(created)
  await w.clock.advance(0)
  w.recent.push(started('before', 4), started('after', 6))
  const events = w.read('since=1&until=10')
  assert.deepEqual([await idOf(events.next()), await idOf(events.next()), await idOf(events.next())], ['before', 's1', 'after'])
})

test('until in the future ends the stream when it comes', async () => {
  const w = world()
  const untilMs = w.clock.nowMs() + 5000
  const events = w.read(`until=${untilMs / 1000}`)
  const next = idOf(events.next())
  await w.clock.advance(5000)
  assert.equal(await next, undefined)
})

test('times that make no sense are refused', () => {
  assert.throws(() => world().read('since=20&until=10'), /`since` time \(20\) cannot be after `until` time \(10\)/)
  assert.throws(() => world().read('since=yesterday'), /neither a Unix time nor RFC 3339/)
})
