import assert from 'node:assert/strict'
import test from 'node:test'
import { StoreState } from './store-state.ts'
import { UpdateQueue } from './update-queue.ts'

test('an update made at any moment around the end of another one is done', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const queue = new UpdateQueue({ state: () => StoreState.empty(), resultOf: () => undefined, newRequestId: () => 'id', commit: async () => 1 })
    const first = queue.run(() => 1)
    let second: Promise<number> | undefined
    const later = (async () => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      second = queue.run(() => 2)
    })()
    await first
    await later
    const lost = new Promise<string>(resolve => { setImmediate(() => { resolve('lost') }) })
    assert.equal(await Promise.race([second, lost]), 2, `after ${turns} turns`)
  }
})
