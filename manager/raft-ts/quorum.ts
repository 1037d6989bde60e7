/** A set of voters that decides by majority. The empty set agrees to everything, which makes half-empty joint configurations work. */
export type MajorityConfig = ReadonlySet<number>
/** Two majorities that must both agree. `outgoing` is empty outside of a membership change. */
export interface JointVoters { readonly incoming: MajorityConfig; readonly outgoing: MajorityConfig }

/** How a vote stands: lost as soon as a majority is out of reach. */
export type VoteResult = 'won' | 'lost' | 'pending'
/** The log index a voter has acknowledged, undefined if it has not answered. */
export type AckedIndex = (id: number) => number | undefined

/** The highest index that a majority has acknowledged; Infinity for no voters. */
export function majorityCommitted(voters: MajorityConfig, acked: AckedIndex): number {
  if (voters.size === 0) return Infinity
  const indexes: number[] = []
  for (const id of voters) indexes.push(acked(id) ?? 0)
  indexes.sort((a, b) => b - a)
  return indexes[Math.floor(voters.size / 2)] as number
}

/** The result among these voters; without voters it is won. */
export function majorityVote(voters: MajorityConfig, votes: ReadonlyMap<number, boolean>): VoteResult {
  if (voters.size === 0) return 'won'
  let granted = 0
  let missing = 0
  for (const id of voters) {
    const vote = votes.get(id)
    if (vote === undefined) missing++
    else if (vote) granted++
  }
  const needed = Math.floor(voters.size / 2) + 1
  if (granted >= needed) return 'won'
  return granted + missing >= needed ? 'pending' : 'lost'
}

/** The highest index that a majority of both halves has. */
export function jointCommitted(voters: JointVoters, acked: AckedIndex): number {
  return Math.min(majorityCommitted(voters.incoming, acked), majorityCommitted(voters.outgoing, acked))
}

/** Won when both halves are; lost when one is. */
export function jointVote(voters: JointVoters, votes: ReadonlyMap<number, boolean>): VoteResult {
  const a = majorityVote(voters.incoming, votes)
  const b = majorityVote(voters.outgoing, votes)
  if (a === b) return a
  return a === 'lost' || b === 'lost' ? 'lost' : 'pending'
}

/** All voters of both halves, ascending. */
export function jointIds(voters: JointVoters): readonly number[] {
  return [...new Set([...voters.incoming, ...voters.outgoing])].sort((a, b) => a - b)
}
