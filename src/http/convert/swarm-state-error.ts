import { ShoalError } from '../../base/errors.ts'

/** Where this node stands with the swarm, when it cannot do what was asked. */
export type SwarmHindrance = 'inactive' | 'worker' | 'starting' | 'locked' | 'member' | 'not-member' | 'pending'

const TEXTS: Readonly<Record<SwarmHindrance, string>> = {
  'inactive': 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  'worker': "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
  'starting': 'This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.',
  'locked': 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.',
  'member': 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
  'not-member': 'This node is not part of a swarm',
  'pending': 'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.',
}

const CODE_PREFIX = 'swarm-'

/** The error of a request that needs another place in the swarm (B03): 503 with Docker's text, code `swarm-<hindrance>`. @param reason what an operator needs to know beyond that */
export function swarmStateError(hindrance: SwarmHindrance, reason = ''): ShoalError {
  return new ShoalError('unavailable', `${CODE_PREFIX}${hindrance}`, TEXTS[hindrance] + (reason === '' ? '' : ` ${reason}`))
}

/** True for errors of this node, as opposed to those that came from a manager's control service. */
export function isSwarmStateError(error: ShoalError): boolean {
  return error.code.startsWith(CODE_PREFIX)
}
