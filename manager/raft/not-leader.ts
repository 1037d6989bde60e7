import { ShoalError } from '../../src/base/errors.ts'

/** `no-leader` (unavailable): nobody leads, as far as this manager knows. Docker's text, then what is known of why. @param why one or more sentences, or empty */
export function noLeader(why = ''): ShoalError {
  const text = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online."
  return new ShoalError('unavailable', 'no-leader', why === '' ? text : `${text} ${why}`)
}

/** `not-leader` (unavailable): another manager leads. @param leaderAddr "host:port"; absent or '' when it is not known */
export function notLeader(leaderAddr: string | undefined): ShoalError {
  return new ShoalError('unavailable', 'not-leader', `this manager is not the leader; the leader is at ${leaderAddr || 'an unknown address'}`)
}
