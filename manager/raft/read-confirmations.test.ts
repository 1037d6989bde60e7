import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noLeader } from './not-leader.ts'
import { ReadConfirmations } from './read-confirmations.ts'

/** Names of the reads that have resolved so far. */
class Reads {
  readonly queue = new ReadConfirmations()
  readonly done: string[] = []
  readonly failed: string[] = []

  ask(...names: readonly string[]): this {
    for (const name of names) this.queue.wait().then(() => this.done.push(name), (error: Error & { readonly code?: string }) => this.failed.push(`${name} ${error.code ?? ''}`))
    return this
  }

  async settled(): Promise<this> {
    await new Promise(resolve => { setImmediate(resolve) })
    return this
  }
}

test('all that gathered share a round, and wait until its index is applied', async () => {
  const reads = new Reads().ask('a', 'b')
  const context = reads.queue.begin(1)
  reads.queue.confirmed([{ context, index: 7 }], 6)
  assert.deepEqual((await reads.settled()).done, [])
  reads.queue.applied(7)
  assert.deepEqual((await reads.settled()).done, ['a', 'b'])
})

test('who comes while a round is under way is not answered by it: it was asked before', async () => {
  const reads = new Reads().ask('a')
  const first = reads.queue.begin(1)
  reads.ask('late')
  assert.equal(reads.queue.isRoundDue, false)
  reads.queue.confirmed([{ context: first, index: 7 }], 7)
  assert.deepEqual((await reads.settled()).done, ['a'])
  assert.equal(reads.queue.isRoundDue, true)
  reads.queue.confirmed([{ context: reads.queue.begin(1), index: 9 }], 9)
  assert.deepEqual((await reads.settled()).done, ['a', 'late'])
})

test('the answer to a round that was given up confirms nothing', async () => {
  const reads = new Reads().ask('a')
  const context = reads.queue.begin(1)
  reads.queue.rejectIfOlder(2, noLeader)
  reads.ask('b')
  reads.queue.begin(2)
  reads.queue.confirmed([{ context, index: 7 }], 9)
  assert.deepEqual((await reads.settled()).done, [])
  assert.deepEqual(reads.failed, ['a no-leader'])
})

test('a round of the present term is not given up, all are with the leadership', async () => {
  const reads = new Reads().ask('a')
  reads.queue.begin(3)
  reads.queue.rejectIfOlder(3, noLeader)
  reads.ask('b')
  assert.deepEqual((await reads.settled()).failed, [])
  reads.queue.rejectAll(noLeader())
  assert.deepEqual((await reads.settled()).failed, ['a no-leader', 'b no-leader'])
})

test('no more than a limit wait', async () => {
  const reads = new Reads()
  reads.ask(...Array.from({ length: 10_000 }, (_, i) => `${i}`))
  await assert.rejects(reads.queue.wait(), { code: 'reads-busy' })
})
