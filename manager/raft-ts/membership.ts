import { isSameConfState, toConfState } from './cluster-config.ts'
import { changeSimple, enterJoint, leaveJoint, restoreMembership } from './confchange.ts'
import { describeConfig, describeConfState, hex } from './describe.ts'
import { invariant } from './invariant.ts'
import type { ConfChange, ConfState, Snapshot } from './message.ts'
import type { Raft } from './raft.ts'
import { answerConfirmedReads } from './reads.ts'
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.ts'
import type { Membership } from './tracker.ts'

/** Leaving is asked for by a change without changes. */
function isLeaveJoint(change: ConfChange): boolean { return change.changes.length === 0 && change.transition === 'auto' }

/** Takes the change into effect. @throws ConfChangeError if the present configuration does not allow it */
export function applyConfChange(raft: Raft, change: ConfChange): ConfState {
  const { membership, limits } = raft.tracker
  const context = { lastIndex: raft.log.lastIndex, limits }
  if (isLeaveJoint(change)) return switchTo(raft, leaveJoint(membership))
  // One change is safe without the joint detour, unless the caller insists.
  if (change.transition === 'auto' && change.changes.length <= 1) return switchTo(raft, changeSimple(membership, change.changes, context))
  return switchTo(raft, enterJoint(membership, change.changes, { ...context, autoLeave: change.transition !== 'joint-explicit' }))
}

/** Whether there is a conf change from `first` to `last`. */
export function hasConfChange(raft: Raft, first: number, last: number): boolean {
  for (let low = first; low <= last;) {
    const page = raft.log.slice(low, last + 1, raft.config.maxCommittedBytesPerReady)
    invariant(page !== undefined && page.length > 0, () => `entries from ${low} on are missing`)
    if (page.some(entry => entry.type !== 'normal')) return true
    low += page.length
  }
  return false
}

/** The configuration as of the storage's snapshot, at start. */
export function restoreFromStorage(raft: Raft): void {
  restoreConfState(raft, raft.config.storage.initialState().confState)
}

/** Replaces log and configuration by the snapshot's. Returns false if it is old, known already, or not meant for this node. */
export function restoreSnapshot(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata
  if (index <= raft.log.committed) return false
  invariant(raft.role === 'follower', () => `a ${raft.role} was asked to restore a snapshot`)
  if (![...confState.voters, ...confState.learners, ...confState.votersOutgoing].includes(raft.id)) {
    raft.logger.warn(`${hex(raft.id)} attempted to restore snapshot but it is not in the ConfState ${describeConfState(confState)}; should never happen`)
    return false
  }
  if (raft.log.matchesTerm({ term, index })) {
    // The log reaches that far already; only that it is committed is news.
    raft.logger.info(`${describeEnd(raft)} fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`)
    raft.log.commitTo(index)
    return false
  }
  raft.log.restore(snapshot)
  restoreConfState(raft, confState)
  raft.logger.info(`${describeEnd(raft)} restored snapshot [index: ${index}, term: ${term}]`)
  return true
}

function restoreConfState(raft: Raft, state: ConfState): void {
  const restored = switchTo(raft, restoreMembership(state, { lastIndex: raft.log.lastIndex, limits: raft.tracker.limits }))
  invariant(isSameConfState(restored, state), () => `restored ${describeConfState(restored)} from ${describeConfState(state)}`)
}

function switchTo(raft: Raft, membership: Membership): ConfState {
  const { tracker } = raft
  tracker.membership = membership
  raft.logger.info(`${hex(raft.id)} switched to configuration ${describeConfig(tracker.config)}`)
  const state = toConfState(tracker.config)
  const own = tracker.progressOf(raft.id)
  raft.isLearner = own?.isLearner === true
  if (raft.role !== 'leader') return state
  if (own === undefined || own.isLearner) {
    if (raft.config.stepDownOnRemoval) raft.becomeFollower(raft.term, 0)
    return state
  }
  if (maybeCommit(raft)) {
    broadcastAppend(raft)
  } else {
    // New members need not wait for a heartbeat.
    for (const id of tracker.ids) if (id !== raft.id) maybeSendAppend(raft, id, false)
  }
  answerConfirmedReads(raft)
  if (!tracker.voterIds.includes(raft.leaderTransferee)) raft.leaderTransferee = 0
  return state
}

function describeEnd(raft: Raft): string {
  const last = raft.log.lastEntryId()
  return `${hex(raft.id)} [commit: ${raft.log.committed}, lastindex: ${last.index}, lastterm: ${last.term}]`
}

