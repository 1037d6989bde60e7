import { EMPTY_CONFIG, isJoint, type ClusterConfig } from './cluster-config.ts'
import { Inflights } from './inflights.ts'
import { invariant } from './invariant.ts'
import type { ConfChangeSingle, ConfState } from './message.ts'
import { Progress } from './progress.ts'
import type { InflightLimits, Membership } from './tracker.ts'

/** A membership change that the present configuration does not allow; nothing was changed. */
export class ConfChangeError extends Error {
  override readonly name = 'ConfChangeError'
}

/** What new members' progress starts from. */
export interface ConfChangeContext { readonly lastIndex: number; readonly limits: InflightLimits }

/** Changes at most one voter, and any number of learners, in one step (thesis 4.1). @throws ConfChangeError */
export function changeSimple(current: Membership, changes: readonly ConfChangeSingle[], context: ConfChangeContext): Membership {
  const draft = openDraft(current)
  if (isJoint(current.config)) throw new ConfChangeError("can't apply simple config change in joint config")
  applyChanges(draft, changes, context)
  if (countDifferences(current.config.voters.incoming, draft.incoming) > 1) throw new ConfChangeError('more than one voter changed without entering joint config')
  return closeDraft(draft)
}

/** Enters a joint configuration: the present voters become the outgoing half (thesis 4.3). @throws ConfChangeError */
export function enterJoint(current: Membership, changes: readonly ConfChangeSingle[], context: ConfChangeContext & { readonly autoLeave: boolean }): Membership {
  const draft = openDraft(current)
  if (isJoint(current.config)) throw new ConfChangeError('config is already joint')
  if (draft.incoming.size === 0) throw new ConfChangeError("can't make a zero-voter config joint")
  draft.outgoing = new Set(draft.incoming)
  applyChanges(draft, changes, context)
  draft.autoLeave = context.autoLeave
  return closeDraft(draft)
}

/** Leaves the joint configuration: the incoming half decides alone. @throws ConfChangeError */
export function leaveJoint(current: Membership): Membership {
  const draft = openDraft(current)
  if (!isJoint(current.config)) throw new ConfChangeError("can't leave a non-joint config")
  for (const id of draft.learnersNext) {
    draft.learners.add(id)
    const progress = draft.progress.get(id)
    if (progress !== undefined) progress.isLearner = true
  }
  draft.learnersNext.clear()
  for (const id of draft.outgoing) {
    if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id)
  }
  draft.outgoing = new Set()
  draft.autoLeave = false
  return closeDraft(draft)
}

/** The membership that a snapshot describes, with fresh progress. */
export function restoreMembership(state: ConfState, context: ConfChangeContext): Membership {
  let membership: Membership = { config: EMPTY_CONFIG, progress: new Map() }
  const add = (type: ConfChangeSingle['type']) => (nodeId: number): ConfChangeSingle => ({ type, nodeId })
  const incoming = [
    ...state.votersOutgoing.map(add('remove-node')), ...state.voters.map(add('add-node')),
    ...state.learners.map(add('add-learner-node')), ...state.learnersNext.map(add('add-learner-node')),
  ]
  if (state.votersOutgoing.length === 0) {
    for (const change of incoming) membership = changeSimple(membership, [change], context)
    return membership
  }
  for (const change of state.votersOutgoing.map(add('add-node'))) membership = changeSimple(membership, [change], context)
  return enterJoint(membership, incoming, { ...context, autoLeave: state.autoLeave })
}

interface Draft {
  readonly incoming: Set<number>
  outgoing: Set<number>
  readonly learners: Set<number>
  readonly learnersNext: Set<number>
  autoLeave: boolean
  readonly progress: Map<number, Progress>
}

function openDraft({ config, progress }: Membership): Draft {
  return {
    incoming: new Set(config.voters.incoming), outgoing: new Set(config.voters.outgoing), learners: new Set(config.learners),
    learnersNext: new Set(config.learnersNext), autoLeave: config.autoLeave,
    progress: new Map([...progress].map(([id, each]) => [id, each.clone()])),
  }
}

function closeDraft(draft: Draft): Membership {
  checkInvariants(draft)
  const config: ClusterConfig = {
    voters: { incoming: draft.incoming, outgoing: draft.outgoing }, learners: draft.learners, learnersNext: draft.learnersNext, autoLeave: draft.autoLeave,
  }
  return { config, progress: draft.progress }
}

function applyChanges(draft: Draft, changes: readonly ConfChangeSingle[], context: ConfChangeContext): void {
  for (const { type, nodeId } of changes) {
    // Id 0 stands for a change that was refused when it was applied: etcd's convention, kept.
    if (nodeId === 0) continue
    if (type === 'add-node') makeVoter(draft, nodeId, context)
    else if (type === 'add-learner-node') makeLearner(draft, nodeId, context)
    else if (type === 'remove-node') remove(draft, nodeId)
  }
  if (draft.incoming.size === 0) throw new ConfChangeError('removed all voters')
}

function makeVoter(draft: Draft, id: number, context: ConfChangeContext): void {
  const progress = draft.progress.get(id) ?? addProgress(draft, id, context)
  progress.isLearner = false
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
  draft.incoming.add(id)
}

function makeLearner(draft: Draft, id: number, context: ConfChangeContext): void {
  const known = draft.progress.get(id)
  if (known?.isLearner === true) return
  const progress = known ?? addProgress(draft, id, context)
  remove(draft, id)
  draft.progress.set(id, progress)
  // A voter of the outgoing half goes on voting there until the joint configuration is left, so it can't be a learner yet.
  if (draft.outgoing.has(id)) {
    draft.learnersNext.add(id)
  } else {
    progress.isLearner = true
    draft.learners.add(id)
  }
}

function remove(draft: Draft, id: number): void {
  if (!draft.progress.has(id)) return
  draft.incoming.delete(id)
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
  if (!draft.outgoing.has(id)) draft.progress.delete(id)
}

function addProgress(draft: Draft, id: number, { lastIndex, limits }: ConfChangeContext): Progress {
  // A new member counts as active, lest the next quorum check depose the leader before it could say a word.
  const progress = new Progress({
    match: 0, next: Math.max(lastIndex, 1), isLearner: false, isRecentlyActive: true, inflights: new Inflights(limits.maxInflightMessages, limits.maxInflightBytes),
  })
  draft.progress.set(id, progress)
  return progress
}

function checkInvariants(draft: Draft): void {
  for (const id of [...draft.incoming, ...draft.outgoing, ...draft.learners, ...draft.learnersNext]) {
    invariant(draft.progress.has(id), () => `no progress for ${id}`)
  }
  for (const id of draft.learnersNext) {
    invariant(draft.outgoing.has(id) && draft.progress.get(id)?.isLearner === false, () => `${id} is to become a learner but is no outgoing voter`)
  }
  for (const id of draft.learners) {
    invariant(!draft.outgoing.has(id) && !draft.incoming.has(id) && draft.progress.get(id)?.isLearner === true, () => `${id} is both learner and voter`)
  }
  invariant(draft.outgoing.size > 0 || (draft.learnersNext.size === 0 && !draft.autoLeave), () => 'a configuration that is not joint has parts of a joint one')
}

function countDifferences(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let count = 0
  for (const id of a) if (!b.has(id)) count++
  for (const id of b) if (!a.has(id)) count++
  return count
}
