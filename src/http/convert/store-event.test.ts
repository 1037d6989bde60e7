import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make, type Draft } from '../../api/codec/codec.ts'
import type { StoreEvent } from '../../api/swarm/control.ts'
import { matchesEvent } from './event-filter.ts'
import type { Filters } from './filters.ts'
import { storeEventToJson } from './store-event.ts'

const event = (draft: Draft<StoreEvent>): ReturnType<typeof storeEventToJson> => storeEventToJson(make('StoreEvent', { atMs: 1_500, ...draft }))

test('an update of a service tells image, replicas and update state, old and new', () => {
  const service = (image: string, replicas: number, state: 'none' | 'updating'): Draft<StoreEvent['object']> => ({
    service: { id: 's1', spec: { annotations: { name: 'web' }, task: { container: { image } }, replicated: { replicas } }, updateStatus: { state } },
  })
  assert.deepEqual(event({ action: 'update', object: service('b:2', 3, 'updating'), oldObject: service('b:1', 2, 'none') }), {
    Type: 'service', Action: 'update', scope: 'swarm', time: 1, timeNano: 1_500_000_000,
    Actor: { ID: 's1', Attributes: { 'name': 'web', 'image.old': 'b:1', 'image.new': 'b:2', 'replicas.old': '2', 'replicas.new': '3', 'updatestate.new': 'updating' } },
  })
})

test('an update of a node tells availability, state and leadership', () => {
  const node = (availability: 'active' | 'drain', state: 'ready' | 'down', leader: boolean): Draft<StoreEvent['object']> => ({
    node: { id: 'n1', spec: { availability }, description: { hostname: 'host1' }, status: { state }, managerStatus: { leader, reachability: 'reachable' } },
  })
  assert.deepEqual(event({ action: 'update', object: node('drain', 'down', true), oldObject: node('active', 'ready', false) })?.Actor?.Attributes, {
    'name': 'host1', 'availability.old': 'active', 'availability.new': 'drain', 'state.old': 'ready', 'state.new': 'down', 'leader.old': 'false', 'leader.new': 'true',
  })
})

test('creation and removal name the object, and the cluster makes no events', () => {
  assert.deepEqual(event({ action: 'remove', object: { secret: { id: 'x', spec: { annotations: { name: 'pw' } } } } })?.Actor, { ID: 'x', Attributes: { name: 'pw' } })
  assert.equal(event({ action: 'create', object: { network: { id: 'x', spec: { annotations: { name: 'ov' } } } } })?.Type, 'network')
  assert.equal(event({ action: 'update', object: { cluster: { id: 'x' } } }), undefined)
})

test('event filters choose by type, object, action and label', () => {
  const started = { Type: 'container', Action: 'health_status: healthy', scope: 'local', Actor: { ID: 'abcdef', Attributes: { name: 'web', image: 'busybox:1', zone: 'a' } } } as const
  const matches = (filters: Filters): boolean => matchesEvent(started, filters)
  assert.deepEqual(([
    { type: ['container'] }, { type: ['image', 'container'] }, { container: ['web'] }, { container: ['abc'] }, { event: ['health_status'] }, { event: ['health_status: healthy'] },
    { label: ['zone'] }, { label: ['zone=a'] }, { image: ['busybox'] }, { image: ['busybox:1'] }, { scope: ['local'] }, {},
  ] as Filters[]).map(matches), Array(12).fill(true))
  assert.deepEqual(([
    { type: ['image'] }, { container: ['other'] }, { network: ['web'] }, { event: ['start'] }, { label: ['zone=b'] }, { label: ['zone', 'x'] }, { image: ['nginx'] }, { scope: ['swarm'] },
  ] as Filters[]).map(matches), Array(8).fill(false))
})
