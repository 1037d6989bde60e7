import type { RaftMember } from '../src/api/swarm/raft.ts'

/** What is known of a cluster without a leader. */
export interface Leaderless {
  readonly members: readonly RaftMember[]
  readonly selfId: number
  /** Since a message came from a member; Infinity if none ever did. */
  readonly silentMs: (raftId: number) => number
  /** A member that is silent for longer than this counts as missing. */
  readonly silenceMaxMs: number
  readonly hostnameOf: (nodeId: string) => string | undefined
}

/** Why there is no leader, as this manager sees it: who is missing, and how many are needed. Empty when it does not know any member. */
export function leaderlessReason({ members, selfId, silentMs, silenceMaxMs, hostnameOf }: Leaderless): string {
  const voters = members.filter(member => !member.learner)
  if (voters.length === 0) return ''
  const missing = voters.filter(member => member.raftId !== selfId && silentMs(member.raftId) > silenceMaxMs)
  const heard = voters.length - missing.length
  const needed = Math.floor(voters.length / 2) + 1
  const counts = `${heard} of ${voters.length} managers are up as seen from here, and ${needed} are needed`
  if (heard >= needed) return `${counts}: they are electing one.`
  const names = missing.map(member => {
    const ms = silentMs(member.raftId)
    return `${hostnameOf(member.nodeId) ?? member.nodeId} (${member.addr}${ms === Infinity ? '' : `, silent for ${Math.round(ms / 1000)} s`})`
  })
  return `${counts}. Missing: ${names.join(', ')}.`
}
