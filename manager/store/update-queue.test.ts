import assert from 'node:assert/strict'
import test from 'node:test'
import { LightAbort } from '../../src/base/abort.ts'
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

test('who gives up is told at once: a change that waits is not made then, one under way goes on', async () => {
  let finish = (): void => {}
  const made: string[] = []
  const queue = new UpdateQueue({
    state: () => StoreState.empty(), resultOf: () => undefined, newRequestId: () => 'id', commit: () => new Promise(resolve => { finish = () => resolve(1) }),
  })
  const change = (name: string) => (tx: { create(kind: 'config', object: { id: string }): void }): string => {
    made.push(name)
    tx.create('config', { id: name })
    return name
  }
  const [first, second] = [new LightAbort(), new LightAbort()]
  const underWay = queue.run(change('under-way'), first)
  const waiting = queue.run(change('waiting'), second)
  second.abort(new Error('second gave up'))
  await assert.rejects(waiting, { message: 'second gave up' })
  await assert.rejects(queue.run(change('late'), second), { message: 'second gave up' })
  first.abort(new Error('first gave up'))
  await assert.rejects(underWay, { message: 'first gave up' })
  finish()
  await queue.idle()
  assert.deepEqual(made, ['under-way'])
})
