/** A member that was not heard for longer than two heartbeats is not counted on. */
const PRESENT_MS = 250

/** What a leader knows of the others. */
export interface Voters {
  readonly selfId: number
  /** Ids of all that vote, the leader's own among them. */
  readonly voters: readonly number[]
  /** Milliseconds since a member was heard. */
  readonly silentMs: (raftId: number) => number
}

/**
 * Whether a majority stands without this voter: others that answer, the first in order, make one with the leader. Its appends may come a little later,
 * many at once (D-743). When one of the others fails, they are what the majority needs: the delay is all that it costs.
 */
export function isSpareVoter(raftId: number, { selfId, voters, silentMs }: Voters): boolean {
  if (!voters.includes(raftId)) return false
  const needed = Math.floor(voters.length / 2)
  const present = voters.filter(voter => voter !== selfId && silentMs(voter) <= PRESENT_MS)
  return present.length >= needed && !present.slice(0, needed).includes(raftId)
}
