/** A watch that outlives leaders, on whole managers in memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { make } from '../src/api/codec/codec.ts'
import { CONTROL_RPC } from '../src/api/codec/methods.ts'
import { hasCode, ShoalError } from '../src/base/errors.ts'
import { streamOf } from '../src/base/rpc.ts'
import { RoleWorld } from '../test/support/role-world.ts'

const RETRY_MS = 500
const WRITES = 8

/** Reads changes of configs, at one manager after the other, from where the last one left it. */
class Watcher {
  readonly seen: string[] = []
  readonly #world: RoleWorld
  readonly #stop = new AbortController()
  readonly done: Promise<void>
  version = 0
  breaks = 0

  constructor(world: RoleWorld) {
    this.#world = world
    this.done = this.#run()
  }

  stop(): void { this.#stop.abort(new Error('enough')) }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let round = 0; !signal.aborted; round++) {
      const names = this.#world.managers()
      const request = make('WatchRequest', { kinds: ['config'], ...(this.version === 0 ? {} : { resumeFrom: this.version, clusterId: 'cluster1' }) })
      try {
        for await (const { events, version } of this.#world.local(names[round % names.length] ?? '').stream(CONTROL_RPC.watch, streamOf(request), { signal })) {
          this.seen.push(...events.map(({ object }) => object?.config?.spec?.annotations?.name ?? ''))
          this.version = version
        }
      } catch (error) {
        if (signal.aborted) return
        assert(error instanceof ShoalError && !hasCode(error, 'lagged'), String(error))
      }
      this.breaks++
      await this.#world.clock.sleep(RETRY_MS, signal).catch(() => { /* it is the end */ })
    }
  }
}

test('a watch that goes on at any manager after its leader died misses no change and gets none twice', async () => {
  await using world = await RoleWorld.start(11, 3)
  const watcher = new Watcher(world)
  await world.until('the watch has begun', () => watcher.version > 0)
  for (let kills = 0; kills < 3; kills++) {
    for (let i = 0; i < WRITES; i++) await world.checkWritable()
    await world.until('there is a leader', () => world.leader() !== undefined)
    await world.kill(world.leader() ?? '')
    // While nobody watches, perhaps.
    for (let i = 0; i < WRITES; i++) await world.checkWritable()
    world.reviveAll()
    await world.untilConverged()
  }
  const names = Array.from({ length: 6 * WRITES }, (_, i) => `write-${i}`)
  await world.until('everything was seen', () => watcher.seen.length >= names.length)
  assert.deepEqual(watcher.seen, names)
  assert(watcher.breaks >= 3, `the watch was broken off ${watcher.breaks} times`)
  watcher.stop()
  await world.during(() => watcher.done)
})
