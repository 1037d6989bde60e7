import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MANAGER_ADMIN_RPC } from '../api/codec/methods.ts'
import type { UseNodeKeysRequest } from '../api/swarm/control.ts'
import { Channel } from '../base/channel.ts'
import { ShoalError } from '../base/errors.ts'
import { unaryHandler } from '../base/rpc.ts'
import { createUnlockKey } from '../ca/unlock-key.ts'
import { FakeClock } from '../platform/clock/fake-clock.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { MemoryLogger } from '../platform/log/memory-logger.ts'
import { MemoryNetwork } from '../platform/rpc/memory-rpc.ts'
import { LockKeeper } from './lock-keeper.ts'
import { NodeLock } from './node-lock.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-lock-keeper-'))
after(() => rmSync(root, { recursive: true }))
const random = new SeededRandom(1)
const [FIRST, SECOND] = [createUnlockKey(random), createUnlockKey(random)]
let worlds = 0

/** A keeper with a scripted manager; `steps` is what was done, in order. */
class World implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly steps: string[] = []
  readonly lock = new NodeLock(join(root, `${worlds++}.json`), random)
  keys = new Channel<string>(8)
  told: UseNodeKeysRequest | undefined
  isDeaf = false
  readonly #server
  readonly #keeper

  constructor() {
    const network = new MemoryNetwork({ clock: this.clock })
    this.#server = network.createServer()
    this.#server.handle(MANAGER_ADMIN_RPC.watchUnlockKey, (_requests, { signal }) => this.#watch(signal))
    this.#server.handle(MANAGER_ADMIN_RPC.useNodeKeys, unaryHandler(async request => {
      if (this.isDeaf) throw new ShoalError('unavailable', 'raft-stopped', 'stopping')
      this.told = request
      this.steps.push(`manager ${request.sealing ? 'seals' : 'opens'} with ${request.keys.length}`)
      return {}
    }))
    this.lock.load()
    this.#keeper = new LockKeeper({
      lock: this.lock, client: network.createDialer().dial('unix:/m'), clock: this.clock, logger: new MemoryLogger(),
      certificates: { save: async () => { this.steps.push('certificates saved') }, renew: async () => { this.steps.push('certificate renewed') } },
    })
  }

  async start(): Promise<void> {
    await this.#server.listen('unix:/m')
    this.#keeper.start()
  }
  async say(unlockKey: string): Promise<void> {
    this.keys.push(unlockKey)
    await this.clock.advance(1)
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper[Symbol.asyncDispose]()
    await this.#server[Symbol.asyncDispose]()
  }
  async *#watch(signal: AbortSignal): AsyncGenerator<{ unlockKey: string }> {
    const keys = this.keys
    signal.addEventListener('abort', () => keys.close(), { once: true })
    for await (const unlockKey of keys) yield { unlockKey }
  }
}

test('autolock on: the manager learns the key before the certificate is sealed, then the key that lay open is replaced; without autolock nothing happens', async () => {
  await using world = new World()
  await world.start()
  await world.say('')
  assert.deepEqual(world.steps, [])
  await world.say(FIRST)
  assert.deepEqual(world.steps, ['manager seals with 1', 'certificates saved', 'certificate renewed'])
  assert(world.lock.isFor(FIRST) && world.lock.isSealing && !world.lock.isUnsettled)
})

test('a new unlock key: a new key of the node, and the old one is given up only when all is sealed anew; off again: all is open', async () => {
  await using world = new World()
  await world.start()
  await world.say(FIRST)
  const before = world.lock.ring.state.keys[0]?.id
  world.steps.length = 0
  await world.say(SECOND)
  assert.deepEqual(world.steps, ['manager seals with 2', 'certificates saved'])
  assert.notEqual(world.lock.ring.state.keys[0]?.id, before)
  assert(world.lock.isFor(SECOND) && !world.lock.isUnsettled)
  await world.say('')
  assert.deepEqual(world.steps.slice(2), ['manager opens with 1', 'certificates saved'])
  assert(!world.lock.isSealing && !world.lock.isUnsettled)
})

test('a manager that does not answer is told again, and nothing is given up until it has', async () => {
  await using world = new World()
  await world.start()
  await world.say(FIRST)
  world.isDeaf = true
  world.keys.push(SECOND)
  await world.clock.advance(1)
  assert(world.lock.isFor(SECOND) && world.lock.isUnsettled)
  world.isDeaf = false
  world.keys = new Channel(8)
  world.keys.push(SECOND)
  await world.clock.advance(1000)
  assert(!world.lock.isUnsettled)
  assert.equal(world.told?.keys.length, 2)
})
