import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RaftCluster } from '../../test/support/raft-cluster.ts'
import { RaftClock } from './raft-timing.ts'

/** What the others take to elect one of them after the leader was stopped; nothing tells them but its silence. */
async function electionMs(cluster: RaftCluster): Promise<number> {
  const [, b, c] = await cluster.three()
  const beganMs = cluster.clock.monotonicMs()
  cluster.faults.stop('a')
  await cluster.until(() => b.raft.isLeader || c.raft.isLeader, 120_000)
  const tookMs = cluster.clock.monotonicMs() - beganMs
  await cluster.stopAll()
  return tookMs
}

test('managers wait for a silent leader as long as the cluster says, in ticks as long as the host says', async () => {
  for (const [tickMs, electionTicks, leastMs, mostMs] of [[undefined, 10, 900, 2_600], [undefined, 30, 2_900, 7_000], [20, 10, 180, 700], [300, 10, 2_700, 7_500]] as const) {
    const tookMs = await electionMs(new RaftCluster({ timing: { tickMs, counts: () => ({ electionTicks, heartbeatTicks: 1 }) } }))
    assert.ok(tookMs >= leastMs && tookMs <= mostMs, `${tookMs} ms with ${electionTicks} ticks of ${tickMs ?? 'default'} ms`)
  }
})

test('counts may change while managers run: nobody is elected because of it', async () => {
  let counts = { electionTicks: 10, heartbeatTicks: 1 }
  const cluster = new RaftCluster({ timing: { counts: () => counts } })
  const [a, b] = await cluster.three()
  const { term } = a.raft.leadership
  assert.equal(b.raft.silenceMaxMs, 2_000)
  counts = { electionTicks: 60, heartbeatTicks: 15 }
  await cluster.clock.advance(20_000)
  assert.equal(b.raft.silenceMaxMs, 12_000)
  counts = { electionTicks: 10, heartbeatTicks: 1 }
  await cluster.clock.advance(10_000)
  assert.deepEqual([a.raft.isLeader, a.raft.leadership.term], [true, term])
  await cluster.stopAll()
})

test('before there are settings, or with such that cannot work, the usual ones count', () => {
  for (const counts of [undefined, { electionTicks: 0, heartbeatTicks: 0 }, { electionTicks: 4, heartbeatTicks: 4 }, { electionTicks: 4, heartbeatTicks: 0 }]) {
    assert.deepEqual(new RaftClock({ counts: () => counts }).counts, { electionTicks: 10, heartbeatTicks: 1 })
  }
})
