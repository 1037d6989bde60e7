import { setImmediate as immediately } from 'node:timers/promises'
import { decode } from '../../../src/api/codec/codec.ts'
import type { Proposal } from '../../../src/api/swarm/raft.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import { Dispatcher } from '../../../manager/dispatcher/dispatcher.ts'
import { NodeSession } from '../../../manager/dispatcher/node-session.ts'
import { ServiceReconciler } from '../../../manager/orchestrator/service-reconciler.ts'
import { encodeMember } from '../../../manager/raft/member-table.ts'
import { RaftNode } from '../../../manager/raft/raft-node.ts'
import type { StateMachine } from '../../../manager/raft/state-machine.ts'
import type { StoreWrite } from '../../../manager/store/object-store.ts'
import { ProposalAssembler } from '../../../manager/store/proposal-assembler.ts'
import { RecentRequests } from '../../../manager/store/recent-requests.ts'
import { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import { StatePersister } from '../../../manager/store/state-persister.ts'
import { SegmentLog } from '../../../src/platform/storage/segment-log.ts'
import { SimulatedLogDisk } from '../../../src/platform/storage/simulated-log-disk.ts'
import type { DirectedClusterProfile } from './cluster-profile.ts'
import { patch } from './patch.ts'

/** A bug put into the parts of managers for one run, to prove that the simulator would notice. */
export interface ClusterPlant {
  readonly name: string
  readonly what: string
  /** The directed profile that shows it soon; random ones do if not given. */
  readonly profile?: DirectedClusterProfile
  readonly install?: () => Disposable
  readonly disk?: (disk: CrashDisk) => void
  readonly machine?: (machine: StateMachine, nodeId: string) => StateMachine
}

/** Of the second manager's entries, one in so many is skipped. */
const SKIPPED_EVERY = 10
/** Of the changes to a node's assignments, one in so many is lost. */
const LOST_EVERY = 3

export const CLUSTER_PLANTS: readonly ClusterPlant[] = [
  { name: 'ack-before-flush', what: 'what is to be durable is said to be before it is', disk: disk => { disk.faults.losesSyncs = true } },
  {
    name: 'directory-not-synced', what: 'the log\'s folder is not flushed after a segment was made or removed',
    install: () => patch(SimulatedLogDisk.prototype, 'syncNames', () => () => {}),
  },
  {
    name: 'write-error-ignored', profile: 'disks that fill up and lie', what: 'what could not be written is acknowledged all the same',
    install: () => patch(SegmentLog.prototype, 'append', append => function (this: SegmentLog, records) {
      try {
        return append.call(this, records)
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        return 0
      }
    }),
  },
  {
    name: 'segment-dropped-early', what: 'compaction removes a segment whose entries still count',
    install: () => patch(SegmentLog.prototype, 'drop', drop => function (this: SegmentLog, before) { return drop.call(this, before + 1) }),
  },
  {
    name: 'read-unconfirmed', profile: 'leaders that were stopped', what: 'a leader answers reads without asking whether it still leads',
    install: () => patch(RaftNode.prototype, 'confirmRead', () => async () => {}),
  },
  {
    name: 'ack-before-commit', what: 'a client is answered when its change is proposed, not when it is committed',
    install: () => patch(RaftNode.prototype, 'propose', propose => async function (this: RaftNode, actions) {
      if (!this.isLeader) throw new ShoalError('unavailable', 'not-leader', 'this manager does not lead')
      void ignoreExpected(propose.call(this, actions))
      // Time must go on: who is answered before anything has changed decides the same again at once.
      await immediately()
      return 0
    }),
  },
  {
    name: 'entry-skipped', what: 'one manager skips a committed entry now and then',
    machine: (machine, nodeId) => nodeId !== 'm2' ? machine : changedMachine(machine, (index, proposal) => index % SKIPPED_EVERY === 0 ? undefined : proposal),
  },
  {
    name: 'requests-not-in-snapshots', profile: 'answers that get lost', what: 'a snapshot does not tell which requests were done already',
    install: () => patch(RecentRequests.prototype, 'list', () => () => []),
  },
  {
    name: 'requests-not-kept', profile: 'answers that get lost', what: 'a manager that restarts does not know which requests were done already',
    install: () => patch(StatePersister.prototype, 'add', add => function (this: StatePersister, index, changes) { add.call(this, index, changes, []) }),
  },
  {
    name: 'request-forgotten', profile: 'answers that get lost', what: 'a repeated request is done again',
    install: () => patch(RecentRequests.prototype, 'resultOf', () => () => undefined),
  },
  {
    name: 'pipeline-ignored', profile: 'answers that get lost', what: 'an entry is applied although the one it was computed on was not',
    machine: machine => changedMachine(machine, (_, proposal) => proposal === undefined ? undefined : { ...proposal, after: '' }),
  },
  {
    name: 'parts-mixed', profile: 'large changes by leaders that die', what: 'the parts of a change whose proposer died stay before those of the next one',
    install: () => {
      const pieces = new WeakMap<ProposalAssembler, Uint8Array[]>()
      return patch(ProposalAssembler.prototype, 'add', add => function (this: ProposalAssembler, entry) {
        if (entry === undefined || entry.parts === 0) return add.call(this, entry)
        const all = [...pieces.get(this) ?? [], entry.piece]
        pieces.set(this, entry.part < entry.parts ? all : [])
        return entry.part < entry.parts ? 'incomplete' : decode('Proposal', Buffer.concat(all))
      })
    },
  },
  {
    name: 'removed-id-returns', profile: 'managers come and go', what: 'a manager that joins gets the raft id of one that was removed',
    install: () => patch(RaftNode.prototype, 'changeMembers', changeMembers => async function (this: RaftNode, change, signal) {
      const [only] = change.changes
      const old = this.table.removed.at(-1)
      if (only?.type !== 'add-learner-node' || old === undefined || change.context === undefined) return changeMembers.call(this, change, signal)
      const member = { ...decode('RaftMember', change.context), raftId: old }
      return changeMembers.call(this, { ...change, changes: [{ ...only, nodeId: old }], context: encodeMember(member) }, signal)
    }),
  },
  {
    name: 'snapshot-incomplete', what: 'a snapshot lacks an object',
    install: () => patch(ReplicatedStore.prototype, 'snapshot', snapshot => function (this: ReplicatedStore, members) { return withoutThird(snapshot.call(this, members)) }),
  },
  {
    name: 'slot-doubled', what: 'the orchestrator makes a second task for a slot',
    install: () => patchDecisions(writes => writes.flatMap(doubled)),
  },
  {
    name: 'replacement-forgotten', profile: 'answers that get lost', what: 'the orchestrator does not replace a task that failed',
    install: () => patchDecisions(writes => writes.filter(write => !isReplacement(write))),
  },
  {
    name: 'assignment-lost', what: 'the dispatcher loses a change of a node\'s assignments',
    install: () => patch(Dispatcher.prototype, 'assignments', assignments => async function* (this: Dispatcher, request, context) {
      let count = 0
      for await (const message of assignments.call(this, request, context)) {
        yield message.type === 'incremental' && ++count % LOST_EVERY === 0 ? { ...message, changes: [] } : message
      }
    }),
  },
  {
    name: 'never-down', profile: 'tasks and workers that fail', what: 'a node whose heartbeats stop is not declared down',
    install: () => patch(NodeSession.prototype, 'expectBy', () => timer => timer.cancel()),
  },
]

function changedMachine(machine: StateMachine, change: (index: number, proposal: Proposal | undefined) => Proposal | undefined): StateMachine {
  return {
    get appliedIndex() { return machine.appliedIndex },
    applyCommitted: (index, proposal) => machine.applyCommitted(index, change(index, proposal)),
    snapshot: members => machine.snapshot(members), stage: records => machine.stage(records), install: (staged, note) => machine.install(staged, note),
    note: () => machine.note(), flush: () => machine.flush(),
  }
}

function patchDecisions(change: (writes: readonly StoreWrite[]) => readonly StoreWrite[]): Disposable {
  return patch(ServiceReconciler.prototype, 'decide', decide => function (this: ServiceReconciler, view, key, nowMs) {
    const decision = decide.call(this, view, key, nowMs)
    return { ...decision, writes: change(decision.writes) }
  })
}

function doubled(write: StoreWrite): StoreWrite[] {
  if (write.action !== 'create' || write.kind !== 'task' || write.object.desiredState !== 'running' || write.object.slot !== 2) return [write]
  return [write, { ...write, object: { ...write.object, id: `${write.object.id.slice(0, -1)}x` } }]
}

function isReplacement(write: StoreWrite): boolean {
  return write.action === 'create' && write.kind === 'task' && write.object.restart?.predecessorId !== undefined && write.object.restart.predecessorId !== ''
}

async function* withoutThird(records: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let count = 0
  for await (const record of records) if (++count !== 3) yield record
}

async function ignoreExpected(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
  }
}
