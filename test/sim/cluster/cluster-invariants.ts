import { isDeepStrictEqual } from 'node:util'
import { encode } from '../../../src/api/codec/codec.ts'
import type { Proposal } from '../../../src/api/swarm/raft.ts'
import type { Task } from '../../../src/api/swarm/objects.ts'
import { isTaskLive } from '../../../src/api/swarm/task-state.ts'
import type { StoreView } from '../../../manager/store/object-store.ts'
import { OBJECT_KINDS } from '../../../manager/store/store-object.ts'
import type { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import type { Leadership } from '../../../manager/raft/leadership.ts'
import type { MemberTable } from '../../../manager/raft/member-table.ts'
import { messageOf } from '../../../src/base/errors.ts'
import { SafetyViolation } from '../core/core-invariants.ts'
import type { SimEvents } from '../sim-events.ts'

/** What a cluster must never do. Told of everything that happens anywhere; remembers what no single node does. */
export class ClusterInvariants {
  readonly #leaders = new Map<number, number>()
  readonly #entries = new Map<number, string>()
  readonly #acknowledged = new Set<string>()
  /** Proposals and client requests that took effect, each with its index. */
  readonly #effects = new Map<string, number>()
  /** By index: whether the entry took effect. */
  readonly #outcomes = new Map<number, boolean>()
  readonly #removed = new Set<number>()
  /** Which node each raft id is of. */
  readonly #owners = new Map<number, string>()
  readonly #events: SimEvents
  #table: MemberTable | undefined
  violation: SafetyViolation | undefined

  constructor(events: SimEvents) { this.#events = events }

  get acknowledgedIds(): readonly string[] { return [...this.#acknowledged] }
  get acknowledgedCount(): number { return this.#acknowledged.size }
  get appliedCount(): number { return this.#entries.size }

  /** One leader per term. */
  leads(raftId: number, { isLeader, term }: Leadership): void {
    if (!isLeader) return
    const other = this.#leaders.get(term) ?? raftId
    if (other !== raftId) this.violated('ElectionSafety', `${raftId} and ${other} both lead term ${term}`)
    this.#leaders.set(term, raftId)
  }

  /** Every manager applies the same entry at the same index. */
  applies(nodeId: string, index: number, proposal: Proposal | undefined): void {
    const text = proposal === undefined ? '' : Buffer.from(encode('Proposal', proposal)).toString('base64')
    this.#events.trace(`${nodeId} ${index} ${text}`)
    const other = this.#entries.get(index) ?? text
    if (other !== text) this.violated('StateMachineSafety', `${nodeId} applied another entry at ${index} than others before it`)
    this.#entries.set(index, text)
  }

  /** What was computed on another proposal's outcome takes effect only if that one did; and no request takes effect twice. */
  applied(nodeId: string, index: number, { requestId, after, requests, parts }: Proposal, hasEffect: boolean): void {
    // Of one in parts only the whole could tell, which nobody sees: it may have.
    if (parts > 0) { this.#effects.set(requestId, index); return }
    const outcome = this.#outcomes.get(index) ?? hasEffect
    if (outcome !== hasEffect) this.violated('StateMachineSafety', `entry ${index} takes effect on one manager and none on ${nodeId}`)
    this.#outcomes.set(index, outcome)
    if (!hasEffect) return
    if (after !== '' && !this.#effects.has(after)) this.violated('PipelineInOrder', `entry ${index} took effect, and was computed on the outcome of one that did not`)
    for (const id of [requestId, ...requests.map(request => request.id)]) {
      const other = this.#effects.get(id) ?? index
      if (other !== index && id !== '') this.violated('RetriesApplyOnce', `request ${id} took effect at ${other} and at ${index}`)
      this.#effects.set(id, index)
    }
  }

  /** Who the members are, as some manager has applied it. A raft id is of one node for ever, and never comes back once it is removed. */
  members(table: MemberTable): void {
    if (table === this.#table) return
    this.#table = table
    for (const { raftId, nodeId } of table.members) {
      const owner = this.#owners.get(raftId)
      if (owner === undefined) this.#events.note('member added')
      else if (owner !== nodeId) this.violated('RaftIdsAreOwned', `raft id ${raftId} was of ${owner} and is of ${nodeId}`)
      this.#owners.set(raftId, nodeId)
      if (table.removed.includes(raftId)) this.violated('RemovedStaysAway', `raft id ${raftId} was removed, and is that of ${nodeId}`)
    }
    for (const raftId of table.removed) {
      if (!this.#removed.has(raftId)) this.#events.note('member removed')
      this.#removed.add(raftId)
    }
  }

  /** A manager found what it kept not whole, though nobody damaged it. */
  damaged(nodeId: string, error: unknown): void {
    if (error instanceof SafetyViolation) this.violation ??= error
    else this.violated('KeepsItsLog', `${nodeId} finds its log or state damaged: ${messageOf(error)}`)
  }

  /** The client was told that this object was created. */
  acknowledged(configId: string): void { this.#acknowledged.add(configId) }

  /** A linearizable read was answered with these objects; `expected` were acknowledged before it began. */
  reads(expected: readonly string[], found: ReadonlySet<string>): void {
    const missing = expected.filter(id => !found.has(id))
    if (missing.length > 0) this.violated('ReadsAreFresh', `a read lacks ${missing.join(' ')}, whose creation was acknowledged before it`)
  }

  /** Nothing that was acknowledged is missing. */
  checkAcknowledged(nodeId: string, view: StoreView): void {
    const missing = [...this.#acknowledged].filter(id => view.get('config', id) === undefined)
    if (missing.length > 0) this.violated('AcknowledgedIsDurable', `${nodeId} lacks ${missing.join(' ')}, whose creation was acknowledged`)
  }

  /** Never two tasks of one slot that are both to run and live, on nodes that are reachable: but for an update that starts the new one first. */
  checkSlots(view: StoreView): void {
    const seen = new Map<string, Task>()
    for (const task of view.list('task')) {
      const service = view.get('service', task.serviceId)
      if (service === undefined || task.desiredState !== 'running' || !isTaskLive(task)) continue
      if (service.spec?.update?.order === 'start-first' || (task.nodeId !== '' && view.get('node', task.nodeId)?.status?.state === 'down')) continue
      const slot = `${task.serviceId} ${service.spec?.global === undefined ? task.slot : task.nodeId}`
      const other = seen.get(slot)
      if (other !== undefined) this.violated('OneTaskPerSlot', `${describe(other)} and ${describe(task)} are both to run in slot ${slot}, at version ${view.version}`)
      seen.set(slot, task)
    }
  }

  /** Managers that have applied the same entries hold the same objects. */
  checkEqual(views: readonly { readonly nodeId: string; readonly view: StoreView }[]): void {
    const [first, ...others] = views
    if (first === undefined) return
    for (const { nodeId, view } of others) {
      for (const kind of OBJECT_KINDS) {
        if (!isDeepStrictEqual(view.list(kind), first.view.list(kind))) this.violated('StateMachineSafety', `${nodeId} and ${first.nodeId} hold different objects of kind ${kind} at version ${view.version}`)
      }
    }
  }

  /** Logs on disk that agree on an entry's index and term agree on the entry and on all before it; what was committed is the same in all. */
  checkLogs(logs: readonly { readonly nodeId: string; readonly log: RaftLogStore }[]): void {
    for (const [i, a] of logs.entries()) {
      for (const b of logs.slice(i + 1)) {
        const last = Math.min(a.log.lastIndex(), b.log.lastIndex())
        let isSameAfter = false
        for (let index = last; index >= Math.max(a.log.firstIndex(), b.log.firstIndex()); index--) {
          const [x] = a.log.entries(index, index + 1, Infinity)
          const [y] = b.log.entries(index, index + 1, Infinity)
          const isSame = isDeepStrictEqual(x, y)
          const mustBeSame = isSameAfter || x?.term === y?.term || index <= Math.min(a.log.hardState.commit, b.log.hardState.commit)
          if (!isSame && mustBeSame) this.violated('LogMatching', `the logs of ${a.nodeId} and ${b.nodeId} differ at ${index}`)
          isSameAfter ||= isSame
        }
      }
    }
  }

  /** Notes it; the run ends with the first. */
  violated(invariant: string, message: string): void { this.violation ??= new SafetyViolation(invariant, message) }
}

function describe({ id, status, nodeId }: Task): string { return `task ${id} (${status?.state} on ${nodeId === '' ? 'no node' : nodeId})` }
