/** The sentences of the Raft paper about replication and commitment: 5.3, 5.4.2, 5.5, 8. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from './message.ts'
import { bytesOf, only, TestPeer, testEntry, textOf, type TestPeerOptions } from './test-peer.ts'
import { TestNetwork } from './test-network.ts'

/** A leader whose first, empty entry all have acknowledged: the window is open and everything is committed. */
function settledLeader(options: TestPeerOptions = {}): TestPeer {
  const peer = new TestPeer(options)
  peer.lead()
  peer.acknowledge((options.voters ?? [1, 2, 3]).filter(id => id !== 1))
  assert.equal(peer.committed, peer.lastIndex)
  return peer
}

const idsTo = (size: number): number[] => Array.from({ length: size }, (_, i) => i + 1)

test('5.3: a leader appends a command to its log and sends it to all others at once', () => {
  const peer = settledLeader()
  const before = { index: peer.lastIndex, committed: peer.committed }
  const sent = only('MsgApp', peer.propose('x'))
  assert.deepEqual(sent.map(({ to, index, logTerm, commit, entries }) => [to, index, logTerm, commit, entries.map(entry => [entry.index, entry.term, textOf(entry.data)])]),
    [2, 3].map(to => [to, before.index, 1, before.committed, [[before.index + 1, 1, 'x']]]))
  assert.deepEqual([peer.lastIndex, peer.committed], [before.index + 1, before.committed])
})

test('5.3: a command is applied, and the others are told, once a majority holds it', () => {
  const peer = settledLeader()
  peer.propose('x')
  assert.deepEqual(peer.appliedTexts, [])
  const told = only('MsgApp', peer.step('MsgAppResp', { from: 2, index: peer.lastIndex }))
  assert.deepEqual([peer.committed, peer.appliedTexts], [2, ['x']])
  assert.deepEqual(told.map(({ to, commit }) => [to, commit]), [[2, 2], [3, 2]])
})

test('5.3: an entry is committed exactly when a majority has acknowledged it', () => {
  const table: readonly (readonly [size: number, acknowledging: readonly number[], isCommitted: boolean])[] = [
    [1, [], true], [2, [], false], [2, [2], true], [3, [], false], [3, [2], true], [3, [3], true], [3, [2, 3], true],
    [4, [2], false], [4, [2, 4], true], [5, [], false], [5, [5], false], [5, [2, 3], true], [5, [3, 4, 5], true], [6, [2, 3], false], [6, [2, 3, 4], true],
  ]
  for (const [size, acknowledging, isCommitted] of table) {
    const peer = settledLeader({ voters: idsTo(size) })
    peer.propose('x')
    peer.acknowledge(acknowledging)
    assert.equal(peer.committed === peer.lastIndex, isCommitted, `${size} voters, ${JSON.stringify(acknowledging)} acknowledge`)
  }
})

test('5.3: the same member\'s acknowledgement counts once, a learner\'s and a stranger\'s not at all', () => {
  const peer = settledLeader({ voters: idsTo(5), learners: [6, 7] })
  peer.propose('x')
  peer.acknowledge([2, 2, 2, 6, 7])
  peer.node.raft.step({ ...(peer.propose('y')[0] as Message), type: 'MsgAppResp', from: 9, to: 1, index: 3 })
  peer.work()
  assert.equal(peer.committed, 1)
  peer.acknowledge([3], 2)
  assert.equal(peer.committed, 2)
})

test('5.3: with an entry all before it are committed, also those of earlier leaders', () => {
  for (const terms of [[], [2], [1, 2], [1, 1, 2]]) {
    const peer = new TestPeer({ terms, hardState: { term: 2 } })
    peer.lead()
    peer.propose('x')
    peer.acknowledge([2])
    assert.deepEqual(peer.applied.map(entry => entry.term), [...terms, 3, 3])
  }
})

test('5.3: a follower applies what it is told is committed, in the order of the log and no further', () => {
  for (const commit of [0, 1, 2, 3]) {
    const peer = new TestPeer({ hardState: { term: 1 } })
    peer.step('MsgApp', { entries: ['a', 'b', 'c'].map((text, i) => testEntry(i + 1, 1, bytesOf(text))), commit })
    assert.deepEqual(peer.appliedTexts, ['a', 'b', 'c'].slice(0, commit))
  }
})

test('5.3: what a follower holds beyond the entries of a message is not committed by it', () => {
  const peer = new TestPeer({ terms: [1, 1, 1, 1], hardState: { term: 2 } })
  peer.step('MsgApp', { index: 1, logTerm: 1, entries: [testEntry(2, 1)], commit: 4 })
  assert.equal(peer.committed, 2)
  peer.step('MsgHeartbeat', { commit: 3 })
  assert.equal(peer.committed, 3)
})

/** A follower with the log 1 2 2 and commit 1 is asked to continue after an entry. */
const CHECKS: readonly (readonly [logTerm: number, index: number, answer: { readonly index: number; readonly reject: boolean; readonly hint?: number; readonly hintTerm?: number }])[] = [
  [1, 1, { index: 1, reject: false }],
  [2, 2, { index: 2, reject: false }],
  [2, 3, { index: 3, reject: false }],
  // Behind the commit index: the leader is told of that.
  [0, 0, { index: 1, reject: false }],
  // The entry there is of another term.
  [1, 2, { index: 2, reject: true, hint: 1, hintTerm: 1 }],
  [3, 3, { index: 3, reject: true, hint: 3, hintTerm: 2 }],
  // There is no entry there.
  [2, 4, { index: 4, reject: true, hint: 3, hintTerm: 2 }],
  [1, 9, { index: 9, reject: true, hint: 1, hintTerm: 1 }],
]
test('5.3: a follower refuses entries whose predecessor it does not hold, and says where the logs could agree', () => {
  for (const [logTerm, index, { index: answered, reject, hint = 0, hintTerm = 0 }] of CHECKS) {
    const peer = new TestPeer({ terms: [1, 2, 2], hardState: { term: 3, commit: 1 } })
    const [answer] = peer.step('MsgApp', { index, logTerm })
    assert.deepEqual([answer?.type, answer?.index, answer?.reject, answer?.rejectHint, answer?.logTerm], ['MsgAppResp', answered, reject, hint, hintTerm], `after ${logTerm}/${index}`)
    assert.deepEqual(peer.terms, [1, 2, 2])
  }
})

test('5.3: a follower deletes what conflicts with its leader, and all that follows, and keeps the rest', () => {
  const table: readonly (readonly [previous: readonly [term: number, index: number], entries: readonly number[], result: readonly number[], written: readonly number[]])[] = [
    // What is new is added.
    [[2, 3], [3], [1, 2, 2, 3], [3]],
    // A conflict replaces the tail.
    [[1, 1], [3, 4], [1, 3, 4], [3, 4]],
    [[1, 1], [3], [1, 3], [3]],
    [[0, 0], [3], [3], [3]],
    // What is there already, with or without more behind it, is neither cut nor written again.
    [[0, 0], [1], [1, 2, 2], []],
    [[1, 1], [2], [1, 2, 2], []],
    [[1, 1], [2, 2], [1, 2, 2], []],
    [[1, 1], [2, 2, 3], [1, 2, 2, 3], [3]],
    [[0, 0], [1, 2, 4], [1, 2, 4], [4]],
  ]
  for (const [[logTerm, index], terms, result, written] of table) {
    const peer = new TestPeer({ terms: [1, 2, 2], hardState: { term: 4 } })
    const append = peer.storage.append.bind(peer.storage)
    const appended: number[] = []
    peer.storage.append = entries => {
      appended.push(...entries.map(entry => entry.term))
      append(entries)
    }
    const [answer] = peer.step('MsgApp', { index, logTerm, entries: terms.map((term, i) => testEntry(index + i + 1, term)) })
    const at = `after ${logTerm}/${index}: ${JSON.stringify(terms)}`
    assert.deepEqual(peer.terms, result, at)
    assert.deepEqual(appended, written, at)
    assert.deepEqual([answer?.reject, answer?.index], [false, index + terms.length], at)
  }
})

/** The logs of the paper's figure 7; the leader of term 8 has the first. */
const FIGURE_7 = {
  leader: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
  followers: {
    a: [1, 1, 1, 4, 4, 5, 5, 6, 6], b: [1, 1, 1, 4], c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6], d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 1, 4, 4, 4, 4], f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  },
}
for (const [name, terms] of Object.entries(FIGURE_7.followers)) {
  test(`5.3: the leader of figure 7 makes the log of follower ${name} equal to its own, with at most one probe for each term`, () => {
    const network = new TestNetwork([1, 2, 3], id => ({
      terms: id === 2 ? terms : id === 1 ? FIGURE_7.leader : [1, 1, 1], hardState: { term: id === 2 ? Math.max(...terms) : 7, commit: 0 },
    }))
    network.act(1, peer => peer.campaign())
    assert.equal(network.leaderId, 1)
    network.act(1, peer => peer.propose('x'))
    assert.deepEqual(network.peer(2).terms, network.peer(1).terms)
    assert.deepEqual(network.peer(2).terms, [...FIGURE_7.leader, 8, 8])
    assert.equal(network.peer(2).committed, 12)
    const refusals = network.log.filter(({ type, from, reject }) => type === 'MsgAppResp' && from === 2 && reject)
    assert.ok(refusals.length <= new Set(terms).size, `${refusals.length} probes were refused`)
  })
}

test('5.3: a leader never deletes or overwrites what is in its own log', () => {
  const peer = settledLeader({ terms: [1, 1], hardState: { term: 1 } })
  peer.propose('x')
  const before = peer.terms
  assert.throws(() => peer.node.raft.log.append([testEntry(1, 9)]))
  peer.step('MsgAppResp', { from: 2, index: 2, reject: true, rejectHint: 1, logTerm: 1 })
  assert.deepEqual(peer.terms, before)
})

test('5.4.2: an entry of an earlier term is not committed by being on a majority', () => {
  for (const [index, expected] of [[1, 0], [2, 0], [3, 3]] as const) {
    const peer = new TestPeer({ terms: [1, 2], hardState: { term: 2 } })
    peer.lead()
    assert.deepEqual(peer.terms, [1, 2, 3])
    peer.step('MsgAppResp', { from: 2, index })
    assert.equal(peer.committed, expected, `all up to ${index} is on two of three`)
  }
})

test('5.4.2: the leaders of figure 8 lose no committed entry', () => {
  const network = new TestNetwork([1, 2, 3, 4, 5], id => ({
    terms: id <= 2 ? [1, 2] : id === 5 ? [1, 3] : [1], hardState: { term: id === 5 ? 3 : 2, commit: 1 }, maxSizePerMessageBytes: 1,
  }))
  // (c): S1 leads in term 4 and brings its entry of term 2 to S3, so that it is on a majority, but nothing of its own term is.
  network.lose(({ entries, from, to }) => [from, to].includes(5) || (to === 4 && entries.length > 0)
    || (entries.some(entry => entry.term === 4) && network.peer(to).lastIndex === 2))
  network.peer(1).step('MsgHeartbeat', { term: 3, from: 5 })
  network.act(1, peer => peer.campaign())
  network.tick(2, [1])
  assert.deepEqual([network.leaderId, network.peer(1).term, network.peer(1).terms], [1, 4, [1, 2, 4]])
  assert.deepEqual([2, 3].map(id => network.peer(id).terms), [[1, 2], [1, 2]])
  assert.equal(network.peer(1).committed, 1)
  // (d): S2 to S4 may still elect S5, which overwrites it.
  network.isolate(1)
  network.peer(5).step('MsgHeartbeat', { term: 4, from: 1 })
  network.act(5, peer => peer.campaign())
  assert.equal(network.leaderId, 5)
  assert.deepEqual(network.peer(3).terms, [1, 3, 5])
  network.heal()
  network.act(5, peer => peer.propose('x'))
  network.tick(2, [5])
  for (const peer of network.peers.values()) assert.deepEqual([peer.terms, peer.committed], [[1, 3, 5, 5], 4])
})

test('5.4.2: once an entry of its own term is on a majority, the leader of figure 8 has made sure of those before it', () => {
  const network = new TestNetwork([1, 2, 3, 4, 5], id => ({ terms: id <= 2 ? [1, 2] : id === 5 ? [1, 3] : [1], hardState: { term: 3, commit: 1 } }))
  network.isolate(4, 5)
  network.act(1, peer => peer.campaign())
  assert.equal(network.peer(1).committed, 3)
  network.isolate(1)
  network.peer(5).step('MsgHeartbeat', { term: 4, from: 1 })
  network.act(5, peer => peer.campaign())
  assert.notEqual(network.leaderId, 5)
})

test('5.5: a follower that missed a message gets it again, and a message that comes twice does no harm', () => {
  const network = new TestNetwork([1, 2, 3])
  network.act(1, peer => peer.campaign())
  network.isolate(3)
  network.act(1, peer => peer.propose('a'))
  network.heal()
  network.tick(1, [1])
  assert.deepEqual(network.peer(3).appliedTexts, ['a'])
  for (const message of only('MsgApp', network.log).filter(({ to }) => to === 3)) {
    network.act(3, peer => {
      peer.node.step(message)
      return peer.work()
    })
  }
  network.act(1, peer => peer.propose('b'))
  assert.deepEqual([network.peer(3).appliedTexts, network.peer(3).terms], [['a', 'b'], [1, 1, 1]])
})

test('5.5: a node that crashes goes on from its log, and applies each entry again at most as its state machine needs', () => {
  const restarted = new TestPeer({ terms: [1, 1, 1], hardState: { term: 1, commit: 2 }, applied: 1 })
  restarted.work()
  assert.deepEqual(restarted.applied.map(entry => entry.index), [2])
})

test('8: a new leader begins its term with an empty entry, by which it learns what is committed', () => {
  const peer = new TestPeer({ terms: [1, 1], hardState: { term: 1 } })
  const sent = only('MsgApp', peer.lead())
  assert.deepEqual(sent.map(({ to, entries }) => [to, entries.map(entry => [entry.index, entry.term, entry.data.length])]), [[2, [[3, 2, 0]]], [3, [[3, 2, 0]]]])
  assert.equal(peer.committed, 0)
  peer.acknowledge([3])
  assert.equal(peer.committed, 3)
})

test('entries are to be flushed before they are acknowledged; a commit index alone is not', () => {
  const peer = settledLeader()
  peer.node.propose(bytesOf('x'))
  const proposed = peer.node.ready()
  assert.deepEqual([proposed.entries.length, proposed.mustSync], [1, true])
  peer.storage.append(proposed.entries)
  peer.node.advance()
  peer.work()
  peer.node.step({ ...(proposed.messages[0] as Message), type: 'MsgAppResp', from: 2, to: 1, entries: [], index: peer.lastIndex })
  const committed = peer.node.ready()
  assert.deepEqual([committed.hardState?.commit, committed.entries.length, committed.mustSync], [2, 0, false])
})
