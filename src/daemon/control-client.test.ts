import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../api/codec/codec.ts'
import type { CreateObjectRequest } from '../api/swarm/control.ts'
import { ShoalError } from '../base/errors.ts'
import type { RpcClient } from '../base/rpc.ts'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { createControlBackend } from './control-client.ts'
import { Staleness } from './staleness.ts'

/** A manager that fails with each of these in turn, then makes what is asked for. */
function setUp(failures: ShoalError[]) {
  const clock = new FakeClock()
  const requestIds: (string | undefined)[] = []
  const unary = async (_method: unknown, request: CreateObjectRequest): Promise<unknown> => {
    requestIds.push(request.requestId)
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    return { object: { config: make('Config', { id: 'c1' }) }, warnings: [] }
  }
  const manager = (): RpcClient => ({ address: 'unix:/manager', unary, stream: () => { throw new Error('not here') }, [Symbol.asyncDispose]: async () => {} }) as unknown as RpcClient
  const backend = createControlBackend({ manager, untilManagerAnswers: async () => {}, staleness: new Staleness(), failure: () => '', clock, random: new SeededRandom(1) })
  return { backend, requestIds, clock }
}

const lost = (): ShoalError => new ShoalError('unavailable', 'proposal-lost', 'lost')
const spec = make('ConfigSpec', { annotations: { name: 'c' } })

test('a write whose leader was lost is asked for again with the id it had', async () => {
  const { backend, requestIds, clock } = setUp([lost(), new ShoalError('unavailable', 'rpc-unavailable', 'gone')])
  const made = backend.create('config', spec)
  await clock.advance(1000)
  const { object } = await made
  assert.equal(object.id, 'c1')
  assert.equal(requestIds.length, 3)
  assert.equal(new Set(requestIds).size, 1)
  await backend.create('config', spec)
  assert.notEqual(requestIds.at(-1), requestIds[0])
})

test('a refusal is told at once, and what stays unsettled is told in the end', async () => {
  const refused = setUp([new ShoalError('unavailable', 'no-leader', 'none')])
  await assert.rejects(refused.backend.create('config', spec), { code: 'no-leader' })
  assert.equal(refused.requestIds.length, 1)
  const unsettled = setUp(Array.from({ length: 10_000 }, lost))
  const rejected = assert.rejects(unsettled.backend.create('config', spec), { code: 'proposal-lost' })
  await unsettled.clock.advance(30_000)
  await rejected
  assert.ok(unsettled.requestIds.length > 10 && unsettled.requestIds.length < 1000)
})

test('a manager that ends amid a call is asked again once, and then told of in Docker\'s words', async () => {
  for (const code of ['rpc-refused', 'rpc-not-connected', 'rpc-unavailable', 'cancelled']) {
    const gone = (): ShoalError => new ShoalError(code === 'cancelled' ? 'cancelled' : 'unavailable', code, 'gone')
    const back = setUp([gone()])
    assert.equal((await back.backend.get('config', 'c1')).id, 'c1')
    const away = setUp([gone(), gone()])
    await assert.rejects(away.backend.get('config', 'c1'), { code: 'swarm-starting', message: /^This node is not a swarm manager\. Manager is being prepared/ })
    assert.equal(away.requestIds.length, 2)
  }
})
