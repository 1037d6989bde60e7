import { setImmediate as immediately } from 'node:timers/promises'
import { ShoalError } from '../../../src/base/errors.ts'
import type { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import { Dispatcher } from '../../../manager/dispatcher/dispatcher.ts'
import { NodeSession } from '../../../manager/dispatcher/node-session.ts'
import { ServiceReconciler } from '../../../manager/orchestrator/service-reconciler.ts'
import { RaftNode } from '../../../manager/raft/raft-node.ts'
import type { StateMachine } from '../../../manager/raft/state-machine.ts'
import type { StoreWrite } from '../../../manager/store/object-store.ts'
import { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import { patch } from './patch.ts'

/** A bug put into the parts of managers for one run, to prove that the simulator would notice. */
export interface ClusterPlant {
  readonly name: string
  readonly what: string
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
    machine: (machine, nodeId) => nodeId !== 'm2' ? machine : {
      get appliedIndex() { return machine.appliedIndex },
      applyCommitted: (index, proposal) => machine.applyCommitted(index, index % SKIPPED_EVERY === 0 ? undefined : proposal),
      snapshot: members => machine.snapshot(members), stage: records => machine.stage(records), install: (staged, note) => machine.install(staged, note),
      note: () => machine.note(), flush: () => machine.flush(),
    },
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
    name: 'replacement-forgotten', what: 'the orchestrator does not replace a task that failed',
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
    name: 'never-down', what: 'a node whose heartbeats stop is not declared down',
    install: () => patch(NodeSession.prototype, 'expectBy', () => timer => timer.cancel()),
  },
]

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
