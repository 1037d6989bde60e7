import { RaftNode } from '../../../manager/raft/raft-node.ts'
import type { StateMachine } from '../../../manager/raft/state-machine.ts'
import { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import type { ClusterInvariants } from './cluster-invariants.ts'
import { patch } from './patch.ts'

/** What the simulator sees of a running manager's inside. */
export interface ManagerInside { readonly raft: RaftNode; readonly store: ReplicatedStore }

export interface InstrumentOptions {
  readonly invariants: ClusterInvariants
  /** A manager has opened its log and its state. */
  readonly opened: (nodeId: string, inside: ManagerInside) => void
  /** Where a planted bug gets between consensus and state. */
  readonly machine: (machine: StateMachine, nodeId: string) => StateMachine
}

/** Small, so that a run of a minute has snapshots and compactions. */
const COMPACTION_ENTRIES = 120
const KEPT_ENTRIES = 20

/** Watches every manager that is started until disposed: what it applies, when it leads. Logs are compacted early. */
export function instrumentManagers(options: InstrumentOptions): Disposable {
  return patch(RaftNode, 'open', open => async raftOptions => {
    const { nodeId, machine } = raftOptions
    if (!(machine instanceof ReplicatedStore)) throw new TypeError('the state machine is not the store')
    const observed = observe(options.machine(machine, nodeId), { nodeId, store: machine, invariants: options.invariants })
    const raft = await open.call(RaftNode, { ...raftOptions, machine: observed, compactionEntries: COMPACTION_ENTRIES, keptEntries: KEPT_ENTRIES })
    options.opened(nodeId, { raft, store: machine })
    void followLeadership(raft, options.invariants)
    return raft
  })
}

async function followLeadership(raft: RaftNode, invariants: ClusterInvariants): Promise<void> {
  try {
    for await (const leadership of raft.onLeadership(new AbortController().signal)) invariants.leads(raft.raftId, leadership)
  } catch (error) {
    // The node has stopped; nothing is left to watch.
    if (!raft.signal.aborted) throw error
  }
}

function observe(machine: StateMachine, { nodeId, store, invariants }: { readonly nodeId: string; readonly store: ReplicatedStore; readonly invariants: ClusterInvariants }): StateMachine {
  return {
    get appliedIndex() { return machine.appliedIndex },
    applyCommitted: (index, proposal) => {
      if (index > machine.appliedIndex) invariants.applies(nodeId, index, proposal)
      machine.applyCommitted(index, proposal)
      if (proposal?.actions.some(({ object }) => object?.task !== undefined) === true) invariants.checkSlots(store.view())
    },
    snapshot: members => machine.snapshot(members), stage: records => machine.stage(records), install: (staged, note) => machine.install(staged, note),
    note: () => machine.note(), flush: () => machine.flush(),
  }
}
