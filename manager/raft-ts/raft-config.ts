import type { Storage } from './storage.ts'

/** Where the core tells of its decisions, in the words that operators of etcd know. Called synchronously; must not call back into the node. */
export interface RaftLogger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/**
 * How reads that need no log entry are made linearizable. `safe` asks a quorum with heartbeats. `lease-based` asks nobody and needs `checkQuorum`; it is not
 * linearizable in every case, as in the reference: a leader that is cut off notices after up to two election timeouts, and others may elect after one.
 */
export type ReadOnlyOption = 'safe' | 'lease-based'

/** How long a leader may be silent, and how often it speaks; in ticks. Best alike on all nodes. */
export interface TickCounts {
  /** A follower that has not heard from a leader for between this and twice this many ticks campaigns. Must be above heartbeatTicks; ten times is usual. */
  readonly electionTicks: number
  readonly heartbeatTicks: number
}

/** Throws unless these can work. @throws RangeError */
export function checkTickCounts({ electionTicks, heartbeatTicks }: TickCounts): void {
  require(heartbeatTicks > 0, 'heartbeatTicks must be positive')
  require(electionTicks > heartbeatTicks, 'electionTicks must be above heartbeatTicks')
}

export interface RawNodeConfig extends TickCounts {
  /** This node's id, 1 .. 2^53 - 3. Never given to another node, even after removal. */
  readonly id: number
  readonly storage: Storage
  /** Index the state machine had applied before the restart; committed entries above it are handed out again. Default: the snapshot's index. */
  readonly applied?: number
  /** Entries in one MsgApp together; a bigger entry travels alone. Default: no limit. */
  readonly maxSizePerMessageBytes?: number
  /** Unacknowledged MsgApps per peer. Default 256. */
  readonly maxInflightMessages?: number
  /** Unacknowledged entry bytes per peer (soft: one message may pass it). Default: no limit. */
  readonly maxInflightBytes?: number
  /** A leader drops proposals above this much uncommitted payload, so that one without quorum does not eat the memory. Default: no limit. */
  readonly maxUncommittedBytes?: number
  /** Committed entries handed out and not yet applied. Default: maxSizePerMessageBytes. */
  readonly maxCommittedBytesPerReady?: number
  /** Ask whether an election could be won before raising the term (thesis 9.6). Default false. */
  readonly preVote?: boolean
  /** A leader steps down when it has not heard from a quorum for electionTicks; followers then also refuse votes while they hear a leader. Default false. */
  readonly checkQuorum?: boolean
  readonly readOnly?: ReadOnlyOption
  /** Storage work travels as messages to LOCAL_APPEND_THREAD and LOCAL_APPLY_THREAD, and advance() is not used. Default false. */
  readonly asyncStorageWrites?: boolean
  /** A leader that is removed or demoted stops leading at once. Default false. */
  readonly stepDownOnRemoval?: boolean
  /** A follower drops proposals instead of sending them to the leader. Default false. */
  readonly disableProposalForwarding?: boolean
  /** Accept conf changes that the current configuration does not allow; for callers that check at apply time. Default false. */
  readonly disableConfChangeValidation?: boolean
  /** Uniform in [0, 1): spreads the election timeouts. */
  readonly random: () => number
  readonly logger?: RaftLogger
}

const INFLIGHT_MESSAGES_DEFAULT = 256

export type ResolvedConfig = Required<RawNodeConfig>

/** The config with its defaults. @throws RangeError on a value that cannot work */
export function resolveConfig(config: RawNodeConfig): ResolvedConfig {
  const maxSizePerMessageBytes = config.maxSizePerMessageBytes ?? Infinity
  const resolved: ResolvedConfig = {
    applied: 0, maxSizePerMessageBytes, maxInflightMessages: INFLIGHT_MESSAGES_DEFAULT, maxInflightBytes: Infinity, maxUncommittedBytes: Infinity,
    maxCommittedBytesPerReady: maxSizePerMessageBytes, preVote: false, checkQuorum: false, readOnly: 'safe', asyncStorageWrites: false,
    stepDownOnRemoval: false, disableProposalForwarding: false, disableConfChangeValidation: false, logger: SILENT_LOGGER,
    ...withoutUndefined(config),
  }
  require(Number.isSafeInteger(resolved.id) && resolved.id > 0, 'id must be a positive integer')
  checkTickCounts(resolved)
  require(resolved.maxInflightMessages > 0, 'maxInflightMessages must be positive')
  require(resolved.maxCommittedBytesPerReady > 0, 'maxCommittedBytesPerReady must be positive')
  require(resolved.maxInflightBytes >= resolved.maxSizePerMessageBytes || resolved.maxInflightBytes === Infinity, 'maxInflightBytes must not be below maxSizePerMessageBytes')
  require(resolved.readOnly !== 'lease-based' || resolved.checkQuorum, 'lease-based reads need checkQuorum')
  return resolved
}

const SILENT_LOGGER: RaftLogger = { debug() {}, info() {}, warn() {}, error() {} }

function withoutUndefined(config: RawNodeConfig): RawNodeConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as unknown as RawNodeConfig
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new RangeError(`raft config: ${message}`)
}
