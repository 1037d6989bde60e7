import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from './memory-storage.ts'
import type { Entry, Message } from './message.ts'
import { RawNode } from './raw-node.ts'
import type { RawNodeConfig } from './raft-config.ts'
import { RaftError } from './storage.ts'

function createNode(id: number, voters: readonly number[], config: Partial<RawNodeConfig> = {}): { node: RawNode; storage: MemoryStorage } {
  const storage = new MemoryStorage()
  storage.applySnapshot({ metadata: { index: 1, term: 1, confState: { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false } }, data: new Uint8Array() })
  return { node: new RawNode({ id, electionTicks: 10, heartbeatTicks: 1, storage, random: () => 0, ...config }), storage }
}

/** Does all the work there is; returns what was committed and what is to be sent. */
function drain({ node, storage }: { node: RawNode; storage: MemoryStorage }): { committed: Entry[]; messages: Message[] } {
  const committed: Entry[] = []
  const messages: Message[] = []
  while (node.hasReady()) {
    const ready = node.ready()
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState)
    if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot)
    storage.append(ready.entries)
    committed.push(...ready.committedEntries)
    messages.push(...ready.messages)
    node.advance()
  }
  return { committed, messages }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('a single voter elects itself and commits what is proposed', () => {
  const single = createNode(1, [1])
  single.node.campaign()
  drain(single)
  assert.equal(single.node.status().role, 'leader')
  single.node.propose(bytes('a'))
  const { committed } = drain(single)
  assert.deepEqual(committed.map(entry => [entry.index, new TextDecoder().decode(entry.data)]), [[3, 'a']])
})

test('a node without a leader drops proposals with a code', () => {
  const { node } = createNode(1, [1, 2, 3])
  assert.throws(() => node.propose(bytes('a')), (error: unknown) => error instanceof RaftError && error.code === 'proposal-dropped')
})

test('a vote is handed out together with the hard state that remembers it', () => {
  const voter = createNode(2, [1, 2, 3])
  voter.node.step({ type: 'MsgVote', from: 1, to: 2, term: 5, index: 1, logTerm: 1, commit: 0, vote: 0, entries: [], reject: false, rejectHint: 0, responses: [] })
  const ready = voter.node.ready()
  assert.deepEqual(ready.hardState, { term: 5, vote: 1, commit: 1 })
  assert.equal(ready.mustSync, true)
  assert.deepEqual(ready.messages.map(({ type, to, reject }) => ({ type, to, reject })), [{ type: 'MsgVoteResp', to: 1, reject: false }])
})

test('a restarted node remembers its vote', () => {
  const voter = createNode(2, [1, 2, 3])
  const request = { type: 'MsgVote', to: 2, term: 5, index: 1, logTerm: 1, commit: 0, vote: 0, entries: [], reject: false, rejectHint: 0, responses: [] } as const
  voter.node.step({ ...request, from: 1 })
  drain(voter)
  const restarted = { node: new RawNode({ id: 2, electionTicks: 10, heartbeatTicks: 1, storage: voter.storage, random: () => 0 }), storage: voter.storage }
  restarted.node.step({ ...request, from: 3 })
  assert.deepEqual(drain(restarted).messages.map(({ to, reject }) => ({ to, reject })), [{ to: 3, reject: true }])
})

test('a leader without quorum drops proposals above its uncommitted limit', () => {
  const leader = createNode(1, [1, 2, 3], { maxUncommittedBytes: 10 })
  leader.node.campaign()
  drain(leader)
  leader.node.step({ type: 'MsgVoteResp', from: 2, to: 1, term: 1, index: 0, logTerm: 0, commit: 0, vote: 0, entries: [], reject: false, rejectHint: 0, responses: [] })
  leader.node.propose(new Uint8Array(8))
  assert.throws(() => leader.node.propose(new Uint8Array(8)), { code: 'proposal-dropped' })
})

test('a config that cannot work is refused', () => {
  assert.throws(() => createNode(1, [1], { electionTicks: 1 }), RangeError)
  assert.throws(() => createNode(1, [1], { readOnly: 'lease-based' }), RangeError)
  assert.throws(() => createNode(0, [1]), RangeError)
})

test('other tick counts are in force at once, on a follower and on a leader, and those that cannot work change nothing', () => {
  const follower = createNode(1, [1, 2])
  follower.node.setTickCounts({ electionTicks: 3, heartbeatTicks: 1 })
  for (let i = 0; i < 3; i++) follower.node.tick()
  assert.equal(follower.node.raft.role, 'candidate')

  const leader = createNode(1, [1])
  leader.node.campaign()
  drain(leader)
  leader.node.applyConfChange({ transition: 'auto', changes: [{ type: 'add-learner-node', nodeId: 2 }], context: new Uint8Array() })
  drain(leader)
  const beats = (ticks: number): number => {
    let count = 0
    for (let i = 0; i < ticks; i++) {
      leader.node.tick()
      count += drain(leader).messages.filter(message => message.type === 'MsgHeartbeat').length
    }
    return count
  }
  assert.equal(beats(6), 6)
  leader.node.setTickCounts({ electionTicks: 10, heartbeatTicks: 3 })
  assert.equal(beats(6), 2)
  assert.throws(() => leader.node.setTickCounts({ electionTicks: 3, heartbeatTicks: 3 }), RangeError)
  assert.equal(beats(6), 2)
})
