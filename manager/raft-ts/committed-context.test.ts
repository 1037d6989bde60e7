/** What requests for votes and their refusals tell of what is committed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCommittedContext } from './committed-context.ts'
import { encodeConfChange } from './conf-change-codec.ts'
import type { Message } from './message.ts'
import { only, TestPeer, type TestPeerOptions } from './test-peer.ts'

/** The second of two voters, whose log ends with the removal of the first. */
function survivor(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer({ id: 2, voters: [1, 2], terms: [1, 1], hardState: { term: 1, commit: 1 }, preVote: true, ...options })
  peer.storage.append([{ index: 2, term: 1, type: 'conf-change-v2', data: encodeConfChange({ transition: 'auto', changes: [{ type: 'remove-node', nodeId: 1 }] }) }])
  return peer
}

/** The first: it led, was removed by entry 2, and has one more that nobody else has. */
const removed = (): TestPeer => new TestPeer({ id: 1, voters: [2], terms: [1, 1, 1], hardState: { term: 1, commit: 2 }, preVote: true })

test('who needs the vote of a removed member with a longer log is told that it was removed, and needs it no more', () => {
  const peer = survivor()
  const [request] = only('MsgPreVote', peer.campaign())
  const gone = removed()
  gone.node.step(request as Message)
  const [refusal] = only('MsgPreVoteResp', gone.work())
  assert.equal(refusal?.reject, true)
  peer.node.step(refusal as Message)
  assert.equal(peer.role, 'follower', 'a candidate that learns of other voters than it asks gives up')
  peer.work()
  assert.deepEqual([peer.committed, [...peer.node.status().config.voters.incoming]], [2, [2]])
  peer.campaign()
  assert.equal(peer.role, 'leader')
})

test('a request for votes tells whoever is asked, also one that refuses', () => {
  const asked = survivor({ voters: [1, 2, 3] })
  const context = createCommittedContext(removed().node.raft)
  const sent = asked.step('MsgPreVote', { from: 3, term: 2, index: 1, logTerm: 1, context })
  assert.deepEqual(only('MsgPreVoteResp', sent).map(({ reject }) => reject), [true])
  assert.deepEqual([asked.committed, [...asked.node.status().config.voters.incoming]], [2, [2, 3]])
})

test('what is not in the own log, or another entry there, is not taken for committed; a leader believes nobody', () => {
  const context = (index: number, term: number): Uint8Array => createCommittedContext(new TestPeer({ terms: [1, 1, ...Array.from({ length: index - 2 }, () => term)], hardState: { term, commit: index } }).node.raft)
  const peer = new TestPeer({ terms: [1, 1, 1], hardState: { term: 3, commit: 1 } })
  for (const [index, term] of [[4, 1], [3, 2]] as const) {
    peer.step('MsgVote', { from: 3, term: 3, index: 1, logTerm: 1, context: context(index, term) })
    assert.equal(peer.committed, 1)
  }
  peer.step('MsgVote', { from: 3, term: 3, index: 1, logTerm: 1, context: context(3, 1) })
  assert.equal(peer.committed, 3)
  const leader = new TestPeer({ terms: [1, 1, 1], hardState: { term: 3, commit: 1 } })
  leader.lead()
  leader.step('MsgVote', { from: 3, index: 1, logTerm: 1, context: context(3, 1) })
  assert.equal(leader.committed, 1)
})

test('a vote that is granted carries nothing, and what is no such context is no news', () => {
  const peer = new TestPeer({ terms: [1, 1], hardState: { term: 1, commit: 1 } })
  const [granted] = only('MsgVoteResp', peer.step('MsgVote', { term: 2, index: 2, logTerm: 1, context: new Uint8Array(17) }))
  assert.deepEqual([granted?.reject, granted?.context, peer.committed], [false, undefined, 1])
})
