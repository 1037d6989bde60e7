import { make } from '../api/codec/codec.ts'
import type { ClusterSpec } from '../api/swarm/specs.ts'
import { badConfig } from './settings/setting-types.ts'

/** Ratio of both where only the heartbeat is set, as dockerd has it. */
const ELECTION_HEARTBEATS = 10

/** What a host's settings say of raft's timing in clusters that it founds; 0: nothing. */
export interface RaftTickSettings { readonly swarmRaftHeartbeatTick: number; readonly swarmRaftElectionTick: number }

/** Ticks between heartbeats, and until an election. @throws ShoalError `bad-config` */
export function raftTicksOf({ swarmRaftHeartbeatTick, swarmRaftElectionTick }: RaftTickSettings): { readonly heartbeatTick: number; readonly electionTick: number } {
  const heartbeatTick = swarmRaftHeartbeatTick || 1
  const electionTick = swarmRaftElectionTick || ELECTION_HEARTBEATS * heartbeatTick
  if (electionTick <= heartbeatTick) throw badConfig(`swarm-raft-election-tick (${electionTick}) must be greater than swarm-raft-heartbeat-tick (${heartbeatTick})`)
  return { heartbeatTick, electionTick }
}

/** The settings of a new cluster: what the request does not say of raft's timing, the host's settings do. */
export function withRaftTicks(spec: ClusterSpec, settings: RaftTickSettings): ClusterSpec {
  const { heartbeatTick, electionTick } = raftTicksOf(settings)
  return { ...spec, raft: make('RaftConfig', { ...spec.raft, heartbeatTick: spec.raft?.heartbeatTick || heartbeatTick, electionTick: spec.raft?.electionTick || electionTick }) }
}
