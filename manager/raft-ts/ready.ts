import type { Entry, HardState, Message, Snapshot } from './message.ts'

export type RaftRole = 'follower' | 'candidate' | 'leader' | 'pre-candidate'
export interface SoftState { readonly leader: number; readonly role: RaftRole }
/** A read-index request that may be served once the state machine has applied `index`. */
export interface ReadState { readonly index: number; readonly context: Uint8Array }

/**
 * What the driver has to do before it calls advance(). With synchronous writes, in this order:
 *
 *   1. write `snapshot`, then `entries`, then `hardState`; flush if `mustSync`
 *   2. send `messages`
 *   3. apply `snapshot`, then `committedEntries`
 *   4. serve `readStates` whose index is applied
 *
 * 2 must not begin before 1 is durable, with one exception: a leader's MsgApp, MsgHeartbeat, MsgSnap and MsgTimeoutNow may be sent while it writes
 * (thesis 10.2.1). 3 may go on beside 2. A crash at any point is safe as long as a write is all there or cut at its end: what was not flushed was
 * not answered for. Work of one Ready is finished before the next is taken.
 *
 * With asyncStorageWrites `messages` carries the whole order: MsgStorageAppend to LOCAL_APPEND_THREAD is 1, with those messages of 2 that must wait for
 * it as its `responses`; MsgStorageApply to LOCAL_APPLY_THREAD is 3. Each of the two threads works in the order in which it was given work, and delivers
 * the responses of a message when that is done; the two run beside each other, and everything else in `messages` may be sent at once. The fields
 * below are then for reading only. advance() is not called.
 */
export interface Ready {
  /** Who leads, and what this node is; there if it changed since the last Ready. Never durable: a restarted node is a follower. Nothing to do but to know. */
  readonly softState?: SoftState
  /**
   * Term, vote and commit index; there if one changed. Durable before `messages` are sent, if `mustSync`: a vote that is forgotten is a second vote.
   * Written after `entries`, for its commit index may speak of them. With only the commit index changed the flush may be left out: it is learned again.
   */
  readonly hardState?: HardState
  /** Confirmed reads, in no order to `committedEntries`: each may be served as soon as its index is applied, in this Ready or a later one. Handed out once. */
  readonly readStates: readonly ReadState[]
  /**
   * New entries of the log, durable before `messages` are sent: an acknowledgement promises them. They follow each other without a gap; where
   * entries[0].index is not behind the log's end they replace what stands there and all that follows (always above the commit index).
   */
  readonly entries: readonly Entry[]
  /**
   * Replaces log, configuration and state machine; there when a leader sent one that this node has accepted. Durable before `messages` are sent, and
   * written before `entries`, which follow it. The log up to its index is void once it is durable. No committed entries come with it.
   */
  readonly snapshot?: Snapshot
  /**
   * To be applied in order, each exactly once as far as this process goes; after a restart those above RawNodeConfig.applied come again. Durable on a
   * quorum; here they may be among `entries`, so 1 comes first (with asyncStorageWrites only what is durable here as well is handed out).
   * For conf-change and conf-change-v2 call applyConfChange at their place in the order.
   */
  readonly committedEntries: readonly Entry[]
  /**
   * To be sent, in this order for each addressee, when the writes of this Ready and all before it are durable (see above). Each may be lost, come twice or
   * late; report what is known of it with reportUnreachable and, for each MsgSnap, reportSnapshot.
   */
  readonly messages: readonly Message[]
  /** Whether `entries` and `hardState` must be flushed before `messages` are sent: there are entries, or term or vote changed. */
  readonly mustSync: boolean
}
