import { majorityCommitted, majorityVote } from 'raft-ts/quorum'
import type { HardState, Message } from 'raft-ts/message'
import type { RawNode } from 'raft-ts/raw-node'
import type { Raft } from 'raft-ts/raft'
import type { MemoryStorage } from 'raft-ts/memory-storage'
import type { DirectedProfile } from './core-profile.ts'
import { RIGHT_SEAMS, type CoreSeams } from './core-node.ts'

/** A bug put into the core's surroundings or into one instance of it, to prove that the simulator would notice. */
export interface CorePlant {
  readonly name: string
  readonly what: string
  readonly seams: CoreSeams
  /** The directed profile that shows it soon; random ones do if not given. */
  readonly profile?: DirectedProfile
}

const onRaft = (change: (raft: Raft) => void): CoreSeams => ({ ...RIGHT_SEAMS, built: (node: RawNode) => change(node.raft) })
const onNode = (change: (node: RawNode) => void): CoreSeams => ({ ...RIGHT_SEAMS, built: node => change(node) })
const onSend = (change: (message: Message, raft: Raft) => Message): CoreSeams => onRaft(raft => {
  const send = raft.send.bind(raft)
  raft.send = message => send(change(message, raft))
})
const onHardState = (change: (hardState: HardState) => HardState): CoreSeams => ({
  ...RIGHT_SEAMS, written: write => write.hardState === undefined ? write : { ...write, hardState: change(write.hardState) },
})
const matchOf = (raft: Raft, id: number): number | undefined => raft.tracker.progressOf(id)?.match
/** The votes a candidate has got, which only the tracker knows. */
const tallyBy = (raft: Raft, decide: (votes: ReadonlyMap<number, boolean>) => 'won' | 'lost' | 'pending'): void => {
  const { tracker } = raft
  const votes = new Map<number, boolean>()
  const record = tracker.recordVote.bind(tracker)
  const reset = tracker.resetVotes.bind(tracker)
  const tally = tracker.tally.bind(tracker)
  tracker.recordVote = (id, granted) => { if (!votes.has(id)) votes.set(id, granted); record(id, granted) }
  tracker.resetVotes = () => { votes.clear(); reset() }
  tracker.tally = () => ({ ...tally(), result: decide(votes) })
}

export const CORE_PLANTS: readonly CorePlant[] = [
  // --- what must be durable
  { name: 'vote-not-persisted', what: 'the vote is not written to disk, so a restarted node can vote again in the same term', seams: onHardState(hardState => ({ ...hardState, vote: 0 })) },
  { name: 'term-not-persisted', what: 'the term is not written to disk, so a restarted node votes in terms of the past', seams: onHardState(hardState => ({ ...hardState, term: Math.max(1, hardState.term - 1), vote: 0 })) },
  { name: 'ack-before-flush', what: 'votes and acknowledgements are sent before what they speak of is on disk', seams: { ...RIGHT_SEAMS, sendsBeforeFlush: true } },
  {
    name: 'last-entry-not-written', what: 'the last entry of a large write does not reach the disk',
    seams: { ...RIGHT_SEAMS, written: write => write.entries.length < 3 ? write : { ...write, entries: write.entries.slice(0, -1) } },
  },
  {
    name: 'conflict-kept', what: 'entries that conflict with the leader\'s stay in the stored log',
    seams: {
      ...RIGHT_SEAMS,
      built: (_node: RawNode, storage: MemoryStorage) => {
        const append = storage.append.bind(storage)
        storage.append = entries => append(entries.filter(entry => entry.index > storage.lastIndex()))
      },
    },
  },
  // --- elections
  { name: 'vote-forgotten', what: 'a node grants every vote of a term', seams: onRaft(raft => Object.defineProperty(raft, 'vote', { get: () => 0, set: () => {} })) },
  { name: 'vote-without-log-check', what: 'a vote is granted to a candidate whose log is behind', seams: onRaft(raft => { raft.log.isUpToDate = () => true }) },
  { name: 'vote-by-last-index', what: 'the longer log wins a vote, whatever the terms in it', seams: onRaft(raft => { raft.log.isUpToDate = ({ index }) => index >= raft.log.lastIndex }) },
  {
    name: 'learner-elects', profile: 'members come and go', what: 'votes of learners count in elections',
    seams: onRaft(raft => tallyBy(raft, votes => majorityVote(new Set(raft.tracker.ids), votes))),
  },
  {
    name: 'joint-election-halved', profile: 'elections between old and new members', what: 'in a joint configuration only the incoming half elects',
    seams: onRaft(raft => tallyBy(raft, votes => majorityVote(raft.tracker.config.voters.incoming, votes))),
  },
  // --- replication and commit
  {
    name: 'commit-of-old-term', profile: 'leader ping-pong', what: 'a leader counts holders of an entry of an earlier term and commits it (figure 8 of the paper)',
    seams: onRaft(raft => {
      raft.log.maybeCommit = ({ index }) => {
        if (index <= raft.log.committed) return false
        raft.log.commitTo(index)
        return true
      }
    }),
  },
  { name: 'append-without-term-check', what: 'a follower takes entries without comparing the one before them', seams: onRaft(raft => { raft.log.matchesTerm = ({ index }) => index <= raft.log.lastIndex }) },
  { name: 'commit-without-quorum', what: 'a leader commits what any one member has', seams: onRaft(raft => { raft.tracker.committed = () => Math.max(0, ...raft.tracker.ids.map(id => matchOf(raft, id) ?? 0)) }) },
  {
    name: 'own-log-counted-early', what: 'a leader counts itself for entries that it has not written yet',
    seams: onRaft(raft => { raft.tracker.committed = () => majorityCommitted(raft.tracker.config.voters.incoming, id => id === raft.id ? raft.log.lastIndex : matchOf(raft, id)) }),
  },
  { name: 'learner-counted', what: 'learners count for the quorum of a commit', seams: onRaft(raft => { raft.tracker.committed = () => majorityCommitted(new Set(raft.tracker.ids), id => matchOf(raft, id)) }) },
  {
    name: 'joint-half-ignored', profile: 'elections between old and new members', what: 'in a joint configuration only the incoming half decides on a commit',
    seams: onRaft(raft => { raft.tracker.committed = () => majorityCommitted(raft.tracker.config.voters.incoming, id => matchOf(raft, id)) }),
  },
  { name: 'heartbeat-commits-too-far', what: 'heartbeats carry the commit index to members whose log may differ there', seams: onSend((message, raft) => message.type === 'MsgHeartbeat' ? { ...message, commit: raft.log.committed } : message) },
  { name: 'follower-commits-all', what: 'a follower commits all it was sent', seams: onRaft(raft => { const append = raft.log.maybeAppend.bind(raft.log); raft.log.maybeAppend = (previous, entries) => append(previous, entries, Infinity) }) },
  {
    name: 'read-left-waiting', profile: 'members come and go', what: 'a leader answers no reads once the members are others than those it was started with',
    seams: onRaft(raft => {
      const step = raft.step.bind(raft)
      const first = raft.tracker.ids.join(' ')
      raft.step = message => step(message.type === 'MsgHeartbeatResp' && raft.tracker.ids.join(' ') !== first ? { ...message, context: undefined } : message)
    }),
  },
  {
    name: 'commit-beyond-log', what: 'a follower takes over the leader\'s commit index, whether or not its log reaches so far',
    seams: onRaft(raft => {
      const send = raft.send.bind(raft)
      raft.send = message => send(message.type === 'MsgHeartbeat' ? { ...message, commit: raft.log.committed } : message)
      raft.log.commitTo = index => { raft.log.committed = Math.max(raft.log.committed, index) }
    }),
  },
  {
    name: 'entry-not-handed-out', what: 'of several entries that are committed at once the second is not handed out',
    seams: onNode(node => {
      const ready = node.ready.bind(node)
      node.ready = () => { const all = ready(); return { ...all, committedEntries: all.committedEntries.filter((_, at) => at !== 1) } }
    }),
  },
  // --- terms and time
  {
    name: 'old-leader-followed', what: 'a follower goes back to the term of a leader that was deposed',
    seams: onRaft(raft => {
      const step = raft.step.bind(raft)
      raft.step = message => {
        if (message.type === 'MsgApp' && message.term < raft.term && raft.role === 'follower') raft.becomeFollower(message.term, message.from)
        step(message)
      }
    }),
  },
  {
    name: 'heartbeat-not-heard', what: 'heartbeats do not put the next election off',
    seams: onRaft(raft => {
      const step = raft.step.bind(raft)
      raft.step = message => {
        const { electionElapsed } = raft
        step(message)
        if (message.type === 'MsgHeartbeat') raft.electionElapsed = electionElapsed
      }
    }),
  },
  // --- membership
  { name: 'two-changes-at-once', what: 'a membership change is taken while another one is not applied', seams: { ...RIGHT_SEAMS, config: { disableConfChangeValidation: true } } },
  // --- reads
  { name: 'read-without-quorum', profile: 'reads from leaders of the past', what: 'a leader serves reads without asking whether it still leads', seams: onRaft(raft => Object.defineProperty(raft.tracker, 'isSingleton', { get: () => true })) },
  { name: 'read-before-own-commit', profile: 'reads from leaders of the past', what: 'a new leader serves reads before it has committed an entry of its own term', seams: onRaft(raft => Object.defineProperty(raft, 'hasCommittedInTerm', { get: () => true })) },
  {
    name: 'read-by-old-round', profile: 'reads from leaders of the past', what: 'answers to earlier heartbeats count for reads that came later',
    seams: onRaft(raft => {
      const step = raft.step.bind(raft)
      raft.step = message => {
        const newest = message.type === 'MsgHeartbeatResp' ? raft.readOnly.heartbeatContext() : undefined
        step(newest === undefined ? message : { ...message, context: newest })
      }
    }),
  },
  // --- snapshots
  { name: 'snapshot-off-by-one', what: 'a snapshot claims one entry more than it contains', seams: { ...RIGHT_SEAMS, snapshotIndex: applied => applied + 1 } },
  { name: 'snapshot-of-old-members', what: 'a snapshot names the members of before the last change', seams: { ...RIGHT_SEAMS, snapshotMembers: (_now, before) => before } },
  {
    name: 'snapshot-goes-back', profile: 'snapshots and short logs', what: 'a follower installs a snapshot that is older than what it has committed',
    seams: onRaft(raft => {
      const step = raft.step.bind(raft)
      raft.step = message => {
        const { snapshot } = message
        if (message.type === 'MsgSnap' && snapshot !== undefined && message.term === raft.term && raft.role === 'follower' && snapshot.metadata.index < raft.log.committed && !raft.log.hasSnapshotPending) {
          raft.log.restore(snapshot)
        }
        step(message)
      }
    }),
  },
]
