import type { ClusterConfig } from './cluster-config.ts'
import { decodeConfChange } from './conf-change-codec.ts'
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD } from './message-kind.ts'
import type { ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfState, Entry, EntryType, HardState, Message, Snapshot } from './message.ts'
import type { Progress, ProgressState } from './progress.ts'
import type { RaftRole, Ready, SoftState } from './ready.ts'

/** Text forms of the core's values, in the notation of etcd's transcripts. Ids are hexadecimal where they name nodes in messages and logs. */

const ENTRY_TYPE_NAMES: Readonly<Record<EntryType, string>> = { 'normal': 'EntryNormal', 'conf-change': 'EntryConfChange', 'conf-change-v2': 'EntryConfChangeV2' }
const ROLE_NAMES: Readonly<Record<RaftRole, string>> = {
  'follower': 'StateFollower', 'candidate': 'StateCandidate', 'leader': 'StateLeader', 'pre-candidate': 'StatePreCandidate',
}
const PROGRESS_NAMES: Readonly<Record<ProgressState, string>> = { probe: 'StateProbe', replicate: 'StateReplicate', snapshot: 'StateSnapshot' }
const CHANGE_LETTERS: Readonly<Record<ConfChangeType, string>> = { 'add-node': 'v', 'add-learner-node': 'l', 'remove-node': 'r', 'update-node': 'u' }
const CHANGE_NAMES: Readonly<Record<ConfChangeType, string>> = {
  'add-node': 'ConfChangeAddNode', 'add-learner-node': 'ConfChangeAddLearnerNode', 'remove-node': 'ConfChangeRemoveNode', 'update-node': 'ConfChangeUpdateNode',
}
const TRANSITION_NAMES: Readonly<Record<ConfChangeTransition, string>> = {
  'auto': 'ConfChangeTransitionAuto', 'joint-implicit': 'ConfChangeTransitionJointImplicit', 'joint-explicit': 'ConfChangeTransitionJointExplicit',
}

export function describeRole(role: RaftRole): string { return ROLE_NAMES[role] }

function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === 0 ? '' : ` Vote:${vote}`} Commit:${commit}`
}

function describeSoftState({ leader, role }: SoftState): string { return `Lead:${leader} State:${describeRole(role)}` }

export function describeConfState(state: ConfState): string {
  const list = (ids: readonly number[]): string => `[${ids.join(' ')}]`
  return `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} AutoLeave:${state.autoLeave}`
}

function describeSnapshot({ metadata }: Snapshot): string {
  return `Index:${metadata.index} Term:${metadata.term} ConfState:${describeConfState(metadata.confState)}`
}

/** Without end of line. */
function describeEntry(entry: Entry): string {
  const data = entry.type === 'normal' ? quote(entry.data) : describeChanges(decodeConfChange(entry.data).changes)
  return `${entry.term}/${entry.index} ${ENTRY_TYPE_NAMES[entry.type]}${data === '' ? '' : ` ${data}`}`
}

/** "v1 l2 r3 u4". */
function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${CHANGE_LETTERS[type]}${nodeId}`).join(' ')
}

export function describeConfChange({ transition, changes }: ConfChange): string {
  return `transition:${TRANSITION_NAMES[transition]}${changes.map(({ type, nodeId }) => ` changes:{type:${CHANGE_NAMES[type]} node_id:${nodeId}}`).join('')}`
}

/** One line per entry, each ended. */
export function describeEntries(entries: readonly Entry[]): string {
  return entries.map(entry => `${describeEntry(entry)}\n`).join('')
}

/** Several lines if there is more than one entry, a snapshot or responses; the last one without end. */
export function describeMessage(message: Message, indent = ''): string {
  const { entries, snapshot, responses } = message
  let text = `${indent}${describeTarget(message.from)}->${describeTarget(message.to)} ${message.type} Term:${message.term} Log:${message.logTerm}/${message.index}`
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`
  if (message.commit !== 0) text += ` Commit:${message.commit}`
  if (message.vote !== 0) text += ` Vote:${message.vote}`
  if (entries.length === 1) text += ` Entries:[${describeEntry(entries[0] as Entry)}]`
  else if (entries.length > 1) text += ` Entries:[${entries.map(entry => `\n${indent}  ${describeEntry(entry)}`).join('')}\n${indent}]`
  if (snapshot !== undefined) text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`
  if (responses.length > 0) text += ` Responses:[${responses.map(each => `\n${describeMessage(each, `${indent}  `)}`).join('')}\n${indent}]`
  return text
}

/** Several ended lines. */
export function describeReady(ready: Ready): string {
  let text = ''
  if (ready.softState !== undefined) text += `${describeSoftState(ready.softState)}\n`
  if (ready.hardState !== undefined) text += `HardState ${describeHardState(ready.hardState)}\n`
  if (ready.readStates.length > 0) text += `ReadStates [${ready.readStates.map(({ index, context }) => `{${index} [${context.join(' ')}]}`).join(' ')}]\n`
  if (ready.entries.length > 0) text += `Entries:\n${describeEntries(ready.entries)}`
  if (ready.snapshot !== undefined) text += `Snapshot ${describeSnapshot(ready.snapshot)}\n`
  if (ready.committedEntries.length > 0) text += `CommittedEntries:\n${describeEntries(ready.committedEntries)}`
  if (ready.messages.length > 0) text += `Messages:\n${ready.messages.map(message => `${describeMessage(message)}\n`).join('')}`
  return text === '' ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${text}`
}

/** "voters=(1 2)&&(3) learners=(4) learners_next=(5) autoleave", parts that are empty left out. */
export function describeConfig({ voters, learners, learnersNext, autoLeave }: ClusterConfig): string {
  const set = (ids: ReadonlySet<number>): string => `(${[...ids].sort((a, b) => a - b).map(hex).join(' ')})`
  let text = `voters=${set(voters.incoming)}`
  if (voters.outgoing.size > 0) text += `&&${set(voters.outgoing)}`
  if (learners.size > 0) text += ` learners=${set(learners)}`
  if (learnersNext.size > 0) text += ` learners_next=${set(learnersNext)}`
  return autoLeave ? `${text} autoleave` : text
}

export function describeProgress(progress: Progress): string {
  let text = `${PROGRESS_NAMES[progress.state]} match=${progress.match} next=${progress.next}`
  if (progress.isLearner) text += ' learner'
  if (progress.isPaused) text += ' paused'
  if (progress.pendingSnapshot > 0) text += ` pendingSnap=${progress.pendingSnapshot}`
  if (!progress.isRecentlyActive) text += ' inactive'
  if (progress.inflights.count > 0) text += ` inflight=${progress.inflights.count}${progress.inflights.isFull ? '[full]' : ''}`
  return text
}

/** One ended line per member, ascending. */
export function describeMembers(progress: ReadonlyMap<number, Progress>): string {
  return [...progress].sort(([a], [b]) => a - b).map(([id, each]) => `${id}: ${describeProgress(each)}\n`).join('')
}

export function hex(id: number): string { return id.toString(16) }

function describeTarget(id: number): string {
  if (id === 0) return 'None'
  if (id === LOCAL_APPEND_THREAD) return 'AppendThread'
  return id === LOCAL_APPLY_THREAD ? 'ApplyThread' : hex(id)
}

function quote(data: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(data))
}
