import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make } from '../api/codec/codec.ts'
import { defaultClusterSpec } from '../api/swarm/default-cluster-spec.ts'
import { raftTicksOf, withRaftTicks } from './raft-ticks.ts'

const settings = (swarmRaftHeartbeatTick: number, swarmRaftElectionTick: number): Parameters<typeof raftTicksOf>[0] => ({ swarmRaftHeartbeatTick, swarmRaftElectionTick })

test('without settings a leader speaks each tick and is missed after ten; a longer heartbeat alone takes the election with it', () => {
  assert.deepEqual(raftTicksOf(settings(0, 0)), { heartbeatTick: 1, electionTick: 10 })
  assert.deepEqual(raftTicksOf(settings(3, 0)), { heartbeatTick: 3, electionTick: 30 })
  assert.deepEqual(raftTicksOf(settings(0, 25)), { heartbeatTick: 1, electionTick: 25 })
  assert.throws(() => raftTicksOf(settings(5, 5)), { code: 'bad-daemon-config', message: /must be greater/ })
})

test('a new cluster has what its founder asked for, and else what its host says', () => {
  const asked = { ...defaultClusterSpec(), raft: make('RaftConfig', { snapshotInterval: 7, electionTick: 40 }) }
  assert.deepEqual(withRaftTicks(asked, settings(2, 30)).raft, make('RaftConfig', { snapshotInterval: 7, heartbeatTick: 2, electionTick: 40 }))
})
