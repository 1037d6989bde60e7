import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONTROL_RPC } from '../src/api/codec/methods.ts'
import { make } from '../src/api/codec/codec.ts'
import { abortable } from '../src/base/abort.ts'
import { ShoalError } from '../src/base/errors.ts'
import { streamOf, unaryHandler, type RpcCallOptions, type RpcContext, type RpcDialer, type RpcMethod } from '../src/base/rpc.ts'
import { FakeClock } from '../src/platform/clock/fake-clock.ts'
import { LeaderGate } from './leader-gate.ts'
import { LeaderProxy } from './leader-proxy.ts'
import type { LeaderWork } from './leader-work.ts'
import { noLeader, notLeader } from './raft/not-leader.ts'

const CONTEXT: RpcContext = { identity: undefined, remoteAddress: 'local', isLocal: true, signal: new AbortController().signal, metadata: {} }
const NOBODY: RpcDialer = { dial: () => { throw new ShoalError('unavailable', 'rpc-not-connected', 'nobody is there') } }
const SELF = { kind: 'self', work: {} as LeaderWork } as const
const FROZEN = { kind: 'other', address: '10.0.0.2:2377' } as const
/** Leaders that take calls and never answer. */
const FROZEN_LEADERS: RpcDialer = {
  dial: address => ({
    address,
    unary: async (_method, _request, options: RpcCallOptions = {}) => abortable(new Promise<never>(() => {}), options.signal),
    stream: () => { throw new Error('nobody streams here') },
    [Symbol.asyncDispose]: async () => {},
  }),
}

/** A manager that leads, as far as it knows, and what happened at it. */
class Guarded {
  readonly events: string[] = []
  readonly clock = new FakeClock()
  readonly gate = new LeaderGate(this.clock, () => noLeader())
  readonly proxy: LeaderProxy

  constructor(confirmRead: () => Promise<void>, dialer = NOBODY) {
    this.gate.set(SELF)
    this.proxy = new LeaderProxy({
      local: { nodeId: 'n1', clusterId: 'c' }, localAddress: '10.0.0.1', gate: this.gate, dialer, isRemoved: () => false, hasState: () => true,
      confirmRead: async () => {
        this.events.push('confirm')
        await confirmRead()
      },
    })
  }

  async call<Req, Res>(method: RpcMethod<Req, Res>, request: Req, answer: Res, context = CONTEXT): Promise<void> {
    const { events } = this
    const guarded = this.proxy.wrap(method, unaryHandler(async (_request: Req, { metadata }) => {
      events.push(metadata['x-shoal-stale-ms'] === undefined ? 'answer' : 'stale')
      return answer
    }))
    for await (const _ of guarded(streamOf(request), context));
  }

  get(context = CONTEXT): Promise<void> { return this.call(CONTROL_RPC.get, { kind: 'service', ref: 'web' }, make('GetObjectResponse', {}), context) }
}

test('a read is answered after this manager has proved that it leads; a write proves it by itself', async () => {
  const manager = new Guarded(async () => {})
  await manager.get()
  assert.deepEqual(manager.events, ['confirm', 'answer'])
  await manager.call(CONTROL_RPC.remove, { kind: 'service', ref: 'web', force: false }, make('RemoveObjectResponse', {}))
  assert.deepEqual(manager.events, ['confirm', 'answer', 'answer'])
})

test('a read that another manager passed on is proved too', async () => {
  const manager = new Guarded(async () => {})
  await manager.get({ ...CONTEXT, isLocal: false, identity: { nodeId: 'n2', role: 'manager', clusterId: 'c' }, metadata: { 'x-shoal-forwarded': '1', 'x-shoal-forwarded-node-id': 'n2', 'x-shoal-forwarded-role': 'manager', 'x-shoal-forwarded-cluster-id': 'c' } })
  assert.deepEqual(manager.events, ['confirm', 'answer'])
})

test('a manager that leads no more, without having known it, answers from its own state only when nobody else leads, and marks it', async () => {
  const manager = new Guarded(async () => { throw notLeader('') })
  const asked = manager.get()
  await manager.clock.advance(1_000)
  assert.deepEqual(manager.events, ['confirm'])
  manager.gate.set(undefined)
  await manager.clock.advance(6_000)
  await asked
  assert.deepEqual(manager.events, ['confirm', 'stale'])
})

test('what a frozen leader was asked is given up soon after there is another one: a read is asked for again there, a write is told that its outcome is unknown', async () => {
  const manager = new Guarded(async () => {}, FROZEN_LEADERS)
  manager.gate.set(FROZEN)
  const read = manager.get()
  const write = assert.rejects(manager.call(CONTROL_RPC.remove, { kind: 'service', ref: 'web', force: false }, make('RemoveObjectResponse', {})), { kind: 'unavailable', code: 'rpc-unavailable' })
  await manager.clock.advance(10_000)
  manager.gate.set(SELF)
  await manager.clock.advance(999)
  assert.deepEqual(manager.events, [], 'it may have answered just before')
  await manager.clock.advance(1)
  await Promise.all([read, write])
  assert.deepEqual(manager.events, ['confirm', 'answer'])
})

test('a call that reaches a leader which was just replaced is given up as soon', async () => {
  const manager = new Guarded(async () => {}, FROZEN_LEADERS)
  manager.gate.set(FROZEN)
  const read = manager.get()
  manager.gate.set(undefined)
  manager.gate.set(SELF)
  await manager.clock.advance(1_000)
  await read
  assert.deepEqual(manager.events, ['confirm', 'answer'])
})
