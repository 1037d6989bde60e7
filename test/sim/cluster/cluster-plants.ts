import type { AssignmentsMessage, AssignmentsRequest } from '../../../src/api/swarm/dispatcher.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { RpcContext } from '../../../src/base/rpc.ts'
import { Dispatcher } from '../../../manager/dispatcher/dispatcher.ts'
import type { Decision, Reconciler } from '../../../manager/store/reconciler.ts'
import type { StoreWrite } from '../../../manager/store/object-store.ts'
import { RIGHT_MANAGER_SEAMS, type ManagerSeams } from './sim-manager.ts'

/** A bug put between a manager's parts, to prove that the simulator would notice. */
export interface ClusterPlant {
  readonly name: string
  readonly what: string
  readonly seams: ManagerSeams
}

export const CLUSTER_PLANTS: readonly ClusterPlant[] = [
  {
    name: 'ack-before-flush', what: 'what is to be durable is said to be before it is',
    seams: { ...RIGHT_MANAGER_SEAMS, disk: disk => { disk.faults.losesSyncs = true } },
  },
  {
    name: 'ack-before-commit', what: 'a client is answered when its change is proposed, not when it is committed',
    seams: { ...RIGHT_MANAGER_SEAMS, proposer: raft => ({
      propose: async actions => {
        if (!raft.isLeader) throw new ShoalError('unavailable', 'not-leader', 'this manager does not lead')
        void ignoreExpected(raft.propose(actions))
        return 0
      },
    }) },
  },
  {
    name: 'entry-skipped', what: 'one manager skips a committed entry now and then',
    seams: { ...RIGHT_MANAGER_SEAMS, machine: (machine, nodeId) => Object.create(machine, {
      appliedIndex: { get: () => machine.appliedIndex },
      applyCommitted: { value: (index: number, proposal: Parameters<typeof machine.applyCommitted>[1]) => machine.applyCommitted(index, nodeId === 'm2' && index % 10 === 0 ? undefined : proposal) },
      ...bound(machine, ['snapshot', 'stage', 'install', 'note', 'flush']),
    }) as typeof machine },
  },
  {
    name: 'snapshot-incomplete', what: 'a snapshot lacks an object',
    seams: { ...RIGHT_MANAGER_SEAMS, machine: machine => Object.create(machine, {
      appliedIndex: { get: () => machine.appliedIndex },
      snapshot: { value: (members: Parameters<typeof machine.snapshot>[0]) => withoutSecond(machine.snapshot(members)) },
      ...bound(machine, ['applyCommitted', 'stage', 'install', 'note', 'flush']),
    }) as typeof machine },
  },
  {
    name: 'slot-doubled', what: 'the orchestrator makes a second task for a slot',
    seams: { ...RIGHT_MANAGER_SEAMS, reconciler: onService(decision => ({ ...decision, writes: decision.writes.flatMap(doubled) })) },
  },
  {
    name: 'replacement-forgotten', what: 'the orchestrator does not replace a task that failed',
    seams: { ...RIGHT_MANAGER_SEAMS, reconciler: onService(decision => ({ ...decision, writes: decision.writes.filter(write => !isReplacement(write)) })) },
  },
  {
    name: 'assignment-lost', what: 'the dispatcher loses a change of a node\'s assignments',
    seams: { ...RIGHT_MANAGER_SEAMS, dispatcher: components => new LossyDispatcher(components) },
  },
  {
    name: 'never-down', what: 'a node whose heartbeats stopped is never declared down',
    seams: { ...RIGHT_MANAGER_SEAMS, dispatcher: components => new Dispatcher({ ...components, clock: withoutLongTimers(components.clock) }) },
  },
]

class LossyDispatcher extends Dispatcher {
  override async *assignments(request: AssignmentsRequest, context: RpcContext): AsyncIterable<AssignmentsMessage> {
    let count = 0
    for await (const message of super.assignments(request, context)) yield message.type === 'incremental' && ++count % 3 === 0 ? { ...message, changes: [] } : message
  }
}

function onService(change: (decision: Decision) => Decision): (reconciler: Reconciler) => Reconciler {
  return reconciler => reconciler.name !== SERVICE_RECONCILER ? reconciler : {
    name: reconciler.name, keys: view => reconciler.keys(view), keysOf: (event, view) => reconciler.keysOf(event, view),
    decide: (view, key, nowMs) => change(reconciler.decide(view, key, nowMs)),
  }
}

const SERVICE_RECONCILER = 'orchestrator'
/** A timer this long is one that waits for a sign of life. */
const LONG_TIMER_MS = 12_000

function doubled(write: StoreWrite): StoreWrite[] {
  if (write.action !== 'create' || write.kind !== 'task' || write.object.desiredState !== 'running' || write.object.slot !== 2) return [write]
  return [write, { ...write, object: { ...write.object, id: `${write.object.id.slice(0, -1)}x` } }]
}

function isReplacement(write: StoreWrite): boolean {
  return write.action === 'create' && write.kind === 'task' && write.object.restart?.predecessorId !== undefined && write.object.restart.predecessorId !== ''
}

function withoutLongTimers(clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    after: (delayMs, callback) => clock.after(delayMs >= LONG_TIMER_MS ? Number.MAX_SAFE_INTEGER : delayMs, callback),
  }
}

async function* withoutSecond(records: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let count = 0
  for await (const record of records) if (++count !== 3) yield record
}

function bound<T extends object>(target: T, names: readonly (keyof T & string)[]): PropertyDescriptorMap {
  return Object.fromEntries(names.map(name => [name, { value: (target[name] as (...args: unknown[]) => unknown).bind(target) }]))
}

async function ignoreExpected(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
  }
}
