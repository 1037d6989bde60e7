import { majorityCommitted } from 'raft-ts/quorum'
import type { RawNode } from 'raft-ts/raw-node'
import type { Raft } from 'raft-ts/raft'
import type { MemoryStorage } from 'raft-ts/memory-storage'
import { RIGHT_SEAMS, type CoreSeams } from './core-node.ts'

/** A bug put into the core's surroundings or into one instance of it, to prove that the simulator would notice. */
export interface CorePlant {
  readonly name: string
  readonly what: string
  readonly seams: CoreSeams
}

const onRaft = (change: (raft: Raft) => void): CoreSeams => ({ ...RIGHT_SEAMS, built: (node: RawNode) => change(node.raft) })

export const CORE_PLANTS: readonly CorePlant[] = [
  {
    name: 'vote-not-persisted', what: 'the vote is not written to disk, so a restarted node can vote again in the same term',
    seams: { ...RIGHT_SEAMS, written: write => write.hardState === undefined ? write : { ...write, hardState: { ...write.hardState, vote: 0 } } },
  },
  {
    name: 'vote-forgotten', what: 'a node grants every vote of a term',
    seams: onRaft(raft => Object.defineProperty(raft, 'vote', { get: () => 0, set: () => {} })),
  },
  {
    name: 'ack-before-flush', what: 'votes and acknowledgements are sent before what they speak of is on disk',
    seams: { ...RIGHT_SEAMS, sendsBeforeFlush: true },
  },
  {
    name: 'commit-of-old-term', what: 'a leader counts holders of an entry of an earlier term and commits it (figure 8 of the paper)',
    seams: onRaft(raft => {
      raft.log.maybeCommit = ({ index }) => {
        if (index <= raft.log.committed) return false
        raft.log.commitTo(index)
        return true
      }
    }),
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
  {
    name: 'vote-without-log-check', what: 'a vote is granted to a candidate whose log is behind',
    seams: onRaft(raft => { raft.log.isUpToDate = () => true }),
  },
  {
    name: 'append-without-term-check', what: 'a follower takes entries without comparing the one before them',
    seams: onRaft(raft => { raft.log.matchesTerm = ({ index }) => index <= raft.log.lastIndex }),
  },
  {
    name: 'commit-without-quorum', what: 'a leader commits what any one member has',
    seams: onRaft(raft => { raft.tracker.committed = () => Math.max(0, ...raft.tracker.ids.map(id => raft.tracker.progressOf(id)?.match ?? 0)) }),
  },
  {
    name: 'learner-counted', what: 'learners count for the quorum of a commit',
    seams: onRaft(raft => { raft.tracker.committed = () => majorityCommitted(new Set(raft.tracker.ids), id => raft.tracker.progressOf(id)?.match) }),
  },
  {
    name: 'joint-half-ignored', what: 'in a joint configuration only the incoming half decides on a commit',
    seams: onRaft(raft => { raft.tracker.committed = () => majorityCommitted(raft.tracker.config.voters.incoming, id => raft.tracker.progressOf(id)?.match) }),
  },
  {
    name: 'read-without-quorum', what: 'a leader serves reads without asking whether it still leads',
    seams: onRaft(raft => Object.defineProperty(raft.tracker, 'isSingleton', { get: () => true })),
  },
  {
    name: 'snapshot-off-by-one', what: 'a snapshot claims one entry more than it contains',
    seams: { ...RIGHT_SEAMS, snapshotIndex: applied => applied + 1 },
  },
  {
    name: 'heartbeat-commits-too-far', what: 'heartbeats carry the commit index to members whose log may differ there',
    seams: onRaft(raft => {
      const send = raft.send.bind(raft)
      raft.send = message => send(message.type === 'MsgHeartbeat' ? { ...message, commit: raft.log.committed } : message)
    }),
  },
]
