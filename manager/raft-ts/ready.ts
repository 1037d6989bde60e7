import type { Entry, HardState, Message, Snapshot } from './message.ts'

export type RaftRole = 'follower' | 'candidate' | 'leader' | 'pre-candidate'
export interface SoftState { readonly leader: number; readonly role: RaftRole }
/** A read-index request that may be served once the state machine has applied `index`. */
export interface ReadState { readonly index: number; readonly context: Uint8Array }

/**
 * What the driver has to do, in this order, before advance(): persist `hardState`, `entries` and `snapshot` (flush if `mustSync`), send
 * `messages`, apply `snapshot` and `committedEntries`.
 */
export interface Ready {
  /** Changed since the last Ready; nothing to do but to know. */
  readonly softState?: SoftState
  /** To be durable before `messages` are sent. */
  readonly hardState?: HardState
  readonly readStates: readonly ReadState[]
  /** To be durable before `messages` are sent. May overwrite a conflicting tail: entries from `entries[0].index` on are replaced. */
  readonly entries: readonly Entry[]
  /** To be durable, and to replace the state machine, before `messages` are sent. */
  readonly snapshot?: Snapshot
  /** Durable already: to be applied in order. */
  readonly committedEntries: readonly Entry[]
  /** To be sent after the above is durable. */
  readonly messages: readonly Message[]
  /** Whether hardState and entries must be flushed to disk before messages are sent. */
  readonly mustSync: boolean
}
