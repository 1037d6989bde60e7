import type { ClusterSpec, NodeAvailability, NodeRole } from '../api/swarm/specs.ts'

/** What this host remembers of its cluster; swarm/state.json. */
export interface SwarmState {
  readonly nodeId: string
  readonly clusterId: string
  readonly role: NodeRole
  /** host:port the manager listens on, if this is or becomes one. */
  readonly listenAddress: string
  /** host:port others reach this node's manager at. */
  readonly advertiseAddress: string
  /** The interface that this address was last seen on: where it is followed to a new one. Absent: never seen here, as behind a router. */
  readonly advertiseInterface?: string
  /** IP of this host for container traffic. */
  readonly dataAddress: string
  readonly availability: NodeAvailability
  /** Where managers were last known to be. */
  readonly managers: readonly { readonly nodeId: string; readonly addr: string }[]
  /** Set until the first manager has committed what the new cluster starts with: before that there is no cluster. */
  readonly isFounding?: boolean
}

/** Whether a value from disk has what this host needs to take up its membership again. */
export function isSwarmState(value: unknown): value is SwarmState {
  if (typeof value !== 'object' || value === null) return false
  const state = value as Partial<Record<keyof SwarmState, unknown>>
  const texts: readonly (keyof SwarmState)[] = ['nodeId', 'clusterId', 'listenAddress', 'advertiseAddress', 'dataAddress', 'availability']
  return texts.every(name => typeof state[name] === 'string') && (state.role === 'manager' || state.role === 'worker')
    && Array.isArray(state.managers) && state.managers.every((peer: { readonly addr?: unknown } | null) => typeof peer?.addr === 'string')
}

/** Contacts kept beside what the managers themselves say: as many as a cluster has managers. */
const CONTACTS_MAX = 16

/** The state with addresses where managers are or may be, first; what else was known of those that answered is forgotten. */
export function withContacts(state: SwarmState, contacts: readonly { readonly nodeId: string; readonly addr: string }[]): SwarmState {
  const isNew = ({ nodeId, addr }: { readonly nodeId: string; readonly addr: string }): boolean => !contacts.some(contact => contact.addr === addr || (nodeId !== '' && contact.nodeId === nodeId))
  return { ...state, managers: [...contacts.map(({ nodeId, addr }) => ({ nodeId, addr })), ...state.managers.filter(isNew)].slice(0, CONTACTS_MAX) }
}

export interface ClusterBootstrap {
  readonly rootCertPem: string
  readonly rootKeyPem: string
  readonly workerToken: string
  readonly managerToken: string
  /** Empty without autolock. */
  readonly unlockKey: string
  readonly addressPool: readonly string[]
  readonly subnetSize: number
  readonly dataPathPort: number
  readonly spec: ClusterSpec
  readonly availability: NodeAvailability
}
