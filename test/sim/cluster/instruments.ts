import { RawNode } from 'raft-ts/raw-node'
import { RaftError } from 'raft-ts/storage'
import type { Proposal } from '../../../src/api/swarm/raft.ts'
import { RaftNode } from '../../../manager/raft/raft-node.ts'
import type { StateMachine } from '../../../manager/raft/state-machine.ts'
import { ReplicatedStore } from '../../../manager/store/replicated-store.ts'
import type { StoreView } from '../../../manager/store/object-store.ts'
import { fromStoreObject } from '../../../manager/store/store-object.ts'
import type { SimEvents } from '../sim-events.ts'
import type { ClusterInvariants } from './cluster-invariants.ts'
import { patch } from './patch.ts'

/** What the simulator sees of a running manager's inside. */
export interface ManagerInside { readonly raft: RaftNode; readonly store: ReplicatedStore }

export interface InstrumentOptions {
  readonly invariants: ClusterInvariants
  readonly events: SimEvents
  /** Asked for each proposal: whether the core does not take it now. */
  readonly refuses: () => boolean
  /** A manager has opened its log and its state. */
  readonly opened: (nodeId: string, inside: ManagerInside) => void
  /** Where a planted bug gets between consensus and state. */
  readonly machine: (machine: StateMachine, nodeId: string) => StateMachine
}

/** Small, so that a run of a minute has snapshots and compactions. */
const COMPACTION_ENTRIES = 120
const KEPT_ENTRIES = 20
/** As small, so that changes of some objects go in several entries, and these in several messages. */
const PART_BYTES = 4096
const MESSAGE_BYTES_MAX = 4096

/** Watches every manager that is started until disposed: what it applies, when it leads. Logs are compacted early, and cores refuse now and then. */
export function instrumentManagers(options: InstrumentOptions): Disposable {
  const { events } = options
  const opened = patch(RaftNode, 'open', open => async raftOptions => {
    const { nodeId, machine } = raftOptions
    if (!(machine instanceof ReplicatedStore)) throw new TypeError('the state machine is not the store')
    const inside: { raft?: RaftNode } = {}
    const observed = observe(options.machine(machine, nodeId), { nodeId, store: machine, inside, options })
    const raft = await open.call(RaftNode, { ...raftOptions, machine: observed, compaction: () => ({ entries: COMPACTION_ENTRIES, kept: KEPT_ENTRIES }), partBytes: PART_BYTES })
    inside.raft = raft
    options.opened(nodeId, { raft, store: machine })
    void followLeadership(raft, options)
    return raft
  })
  const proposed = patch(RawNode.prototype, 'propose', propose => function (this: RawNode, ...data) {
    if (options.refuses()) {
      events.note('proposal refused by the core')
      throw new RaftError('proposal-dropped', 'raft proposal dropped')
    }
    const config: { -readonly [K in keyof typeof this.raft.config]: typeof this.raft.config[K] } = this.raft.config
    config.maxSizePerMessageBytes = MESSAGE_BYTES_MAX
    if (data.length > 1) events.note('proposal in several entries')
    propose.call(this, ...data)
  })
  return { [Symbol.dispose]: () => { proposed[Symbol.dispose](); opened[Symbol.dispose]() } }
}

async function followLeadership(raft: RaftNode, { invariants, events }: InstrumentOptions): Promise<void> {
  let wasLeader = false
  try {
    for await (const leadership of raft.onLeadership(new AbortController().signal)) {
      invariants.leads(raft.raftId, leadership)
      if (leadership.isLeader !== wasLeader) events.note(wasLeader ? 'leader steps down' : 'leader elected')
      wasLeader = leadership.isLeader
    }
  } catch (error) {
    // The node has stopped; nothing is left to watch.
    if (!raft.signal.aborted) throw error
  }
}

interface Observed { readonly nodeId: string; readonly store: ReplicatedStore; readonly inside: { readonly raft?: RaftNode }; readonly options: InstrumentOptions }

function observe(machine: StateMachine, { nodeId, store, inside, options: { invariants, events } }: Observed): StateMachine {
  return {
    get appliedIndex() { return machine.appliedIndex },
    applyCommitted: (index, proposal) => {
      if (inside.raft !== undefined) invariants.members(inside.raft.table)
      const isNew = index > machine.appliedIndex
      if (isNew) invariants.applies(nodeId, index, proposal)
      machine.applyCommitted(index, proposal)
      if (isNew && proposal !== undefined) invariants.applied(nodeId, index, proposal, hasTakenEffect(store.view(), index, proposal))
      if (proposal?.actions.some(({ object }) => object?.task !== undefined) === true) invariants.checkSlots(store.view())
    },
    snapshot: members => {
      events.note('snapshot sent')
      return machine.snapshot(members)
    },
    stage: records => machine.stage(records),
    install: async (staged, note) => {
      await machine.install(staged, note)
      events.note('snapshot installed')
    },
    note: () => machine.note(),
    flush: () => {
      events.note('log compacted')
      return machine.flush()
    },
  }
}

/** Whether the entry changed anything: what it wrote has its index as version, what it removed is gone. */
function hasTakenEffect(view: StoreView, index: number, { actions }: Proposal): boolean {
  return actions.length > 0 && actions.every(({ kind, object }) => {
    if (object === undefined) return false
    const target = fromStoreObject(object)
    const stored = view.get(target.kind, target.object.id)
    return kind === 'remove' ? stored === undefined : stored?.meta?.version === index
  })
}
