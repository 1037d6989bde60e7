import assert from 'node:assert/strict'
import test from 'node:test'
import type { ConfState, Message } from 'raft-ts/message'
import { only, TestPeer, textOf } from 'raft-ts/test-peer'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { isCommitOnly } from './commit-only.ts'
import { MajorityFirst } from './majority-first.ts'

test('of three, one other gets appends at once, and the third gets them together 20 ms after the first', async () => {
  const leader = new Leader()
  leader.put('a')
  assert.deepEqual(leader.take(), ['2: a'])
  leader.acknowledge(2)
  assert.deepEqual(leader.take(), [], 'the commit is told with what gathers')
  leader.put('b')
  assert.deepEqual(leader.take(), ['2: b'])
  leader.acknowledge(2)
  await leader.clock.advance(19)
  assert.deepEqual(leader.take(), [])
  await leader.clock.advance(1)
  assert.deepEqual(leader.take(), ['3: a b'])
  leader.put('c')
  await leader.clock.advance(20)
  assert.deepEqual(leader.take(), ['2: c', '3: c'])
})

test('what is sent together is what was to be sent one by one', async () => {
  const leader = new Leader()
  const follower = new TestPeer({ id: 3, terms: [1], hardState: { term: 1, commit: 1 } })
  for (const text of ['a', 'b', 'c']) {
    leader.put(text)
    leader.acknowledge(2)
  }
  await leader.clock.advance(20)
  const messages = leader.messages.filter(({ to }) => to === 3)
  assert.equal(messages.length, 1)
  const answers = messages.flatMap(message => follower.step('MsgApp', message))
  assert.deepEqual(only('MsgAppResp', answers).map(({ index, reject }) => ({ index, reject })), [{ index: leader.peer.lastIndex, reject: false }])
  assert.deepEqual(follower.appliedTexts.slice(-3), ['a', 'b', 'c'])
})

test('of five, two others get appends at once; with an even number as many as the majority needs', () => {
  const of = (voters: readonly number[]): readonly string[] => {
    const leader = new Leader({ voters })
    leader.put('a')
    return leader.take()
  }
  assert.deepEqual(of([1, 2, 3, 4, 5]), ['2: a', '3: a'])
  assert.deepEqual(of([1, 2, 3, 4]), ['2: a', '3: a'])
  assert.deepEqual(of([1, 2]), ['2: a'])
})

test('learners do not wait: they are to catch up', () => {
  const leader = new Leader({ learners: [9] })
  leader.put('a')
  assert.deepEqual(leader.take(), ['2: a', '9: a'])
})

test('nobody waits for a leader that has not heard from them: a new one probes all', () => {
  const leader = new Leader({ acknowledging: [] })
  assert.deepEqual(leader.take(), ['2: ', '3: '])
  leader.acknowledge(3)
  leader.put('a')
  assert.deepEqual(leader.take(), ['3: a'], 'the one that answers is needed; 2 is being probed')
})

test('when a needed member dies, one delay of 20 ms is all: then the spare one is needed', async () => {
  const leader = new Leader()
  leader.put('a')
  await leader.clock.advance(20)
  assert.deepEqual(leader.take(), ['2: a', '3: a'])
  await leader.clock.advance(1)
  leader.acknowledge(3)
  assert.equal(leader.peer.committed, leader.peer.lastIndex)
  leader.put('b')
  assert.deepEqual(leader.take(), ['3: b'])
})

test('when the stream to a needed member breaks, nobody waits', async () => {
  const leader = new Leader()
  leader.put('a')
  leader.peer.node.reportUnreachable(2)
  leader.put('b')
  assert.deepEqual(leader.take(), ['2: a', '2: a b', '3: a', '3: b'])
  await leader.clock.advance(20)
  assert.deepEqual(leader.take(), [])
})

test('a member that is a little slower stays needed, one that is much slower does not', async () => {
  const leader = new Leader()
  const answersAfter = async (ms: number): Promise<void> => {
    leader.put('a')
    await leader.clock.advance(ms)
    leader.acknowledge(2)
    await leader.clock.advance(20 - ms)
    leader.acknowledge(3)
    leader.take()
  }
  for (let i = 0; i < 20; i++) await answersAfter(8)
  leader.put('b')
  assert.deepEqual(leader.take(), ['2: b'])
  leader.acknowledge(2)
  for (let i = 0; i < 20; i++) await answersAfter(15)
  leader.put('c')
  assert.deepEqual(leader.take().filter(line => line.endsWith(' c') || line.endsWith(': c')), ['3: c'])
})

test('a change of members and a transfer of the leadership do not wait', () => {
  const leader = new Leader()
  leader.put('a')
  leader.peer.node.proposeConfChange({ transition: 'auto', changes: [{ type: 'add-learner-node', nodeId: 9 }] })
  leader.pass(leader.peer.work())
  assert.deepEqual(leader.take().map(line => line.slice(0, 4)), ['2: a', '2: c', '3: a', '3: c'])

  const handing = new Leader()
  handing.put('a')
  handing.acknowledge(2)
  handing.take()
  handing.peer.node.transferLeader(3)
  handing.pass(handing.peer.work())
  assert.deepEqual(handing.take(), ['3: a', '3: '])
  assert.deepEqual(only('MsgTimeoutNow', handing.acknowledge(3)).map(({ to }) => to), [3])
})

test('in a joint configuration nobody waits', () => {
  const leader = new Leader({ confState: { votersOutgoing: [1, 2, 3] } })
  leader.put('a')
  assert.deepEqual(leader.take(), ['2: a', '3: a'])
})

test('many bytes do not wait', () => {
  const leader = new Leader()
  leader.put('x'.repeat(200 * 1024))
  leader.put('y'.repeat(200 * 1024))
  assert.deepEqual(leader.take().map(line => line.slice(0, 4)), ['2: x', '2: y', '3: x'])
})

test('what waits when the leader stops stays where it is', async () => {
  const leader = new Leader()
  leader.put('a')
  leader.take()
  leader.stop.abort()
  await leader.clock.advance(20)
  assert.deepEqual(leader.take(), [])
})

interface LeaderOptions { readonly voters?: readonly number[]; readonly learners?: readonly number[]; readonly confState?: Partial<ConfState>; readonly acknowledging?: readonly number[] }

/** Member 1, which leads, and what leaves it. */
class Leader {
  readonly clock = new FakeClock()
  readonly stop = new AbortController()
  readonly messages: Message[] = []
  readonly peer: TestPeer
  readonly #first: MajorityFirst

  constructor({ voters = [1, 2, 3], learners = [], confState = {}, acknowledging = [...voters.filter(id => id !== 1), ...learners] }: LeaderOptions = {}) {
    this.peer = new TestPeer({ voters, learners, confState })
    this.#first = new MajorityFirst({ raft: this.peer.node.raft, clock: this.clock, signal: this.stop.signal, send: message => this.messages.push(message) })
    this.pass(this.peer.lead())
    for (const id of acknowledging) this.acknowledge(id)
    if (acknowledging.length > 0) this.take()
  }

  put(text: string): void { this.pass(this.peer.propose(text)) }

  acknowledge(from: number): readonly Message[] {
    const messages = this.peer.acknowledge([from])
    this.#first.acknowledged(from)
    this.pass(messages)
    return messages
  }

  pass(messages: readonly Message[]): void { for (const message of messages) if (!isCommitOnly(this.peer.node, message)) this.#first.send(message) }

  /** The appends that left since the last look, by member: to whom, and which texts. */
  take(): readonly string[] {
    const sent = only('MsgApp', this.messages.splice(0)).map(({ to, entries }) => ({ to, text: entries.map(({ type, data }) => type === 'normal' ? textOf(data) : 'change').join(' ') }))
    return sent.sort((a, b) => a.to - b.to).map(({ to, text }) => `${to}: ${text}`)
  }
}
