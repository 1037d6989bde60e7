import type { Node } from '../src/api/swarm/objects.ts'
import type { Clock, Timer } from '../src/base/clock.ts'
import type { Logger } from '../src/base/logger.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import { WorkQueue } from '../src/base/work-queue.ts'
import { followStore } from './store/follow-store.ts'
import type { ObjectStore, StoreCommit } from './store/object-store.ts'

/** Wait before a role change that could not be made is tried again (N08). */
const RETRY_DELAY_MS = 5_000
/** How often it is looked for workers that take part in raft. */
const REVIEW_MS = 5_000

/** What a change of role asks of consensus. */
export interface RoleMembership {
  isMember(nodeId: string): boolean
  /** Removes a manager; for this one itself it hands the leadership over and fails with `not-leader`. */
  remove(nodeId: string): Promise<void>
}

/** What RoleManager works with. */
export interface RoleManagerComponents {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  readonly membership: RoleMembership
}

/**
 * Brings each node's role to the one wanted. Up: the role changes at once, the node renews its certificate and joins raft by itself.
 * Down: it leaves raft first, so that no majority ever counts on a worker (N07..N09). Lives for one leadership.
 */
export class RoleManager implements AsyncDisposable {
  readonly #deps: RoleManagerComponents
  readonly #queue = new WorkQueue<string>()
  /** At most one per node. */
  readonly #retries = new Map<string, Timer>()
  readonly #group: TaskGroup

  constructor(components: RoleManagerComponents) {
    this.#deps = components
    this.#group = new TaskGroup(components.logger)
  }

  start(): void {
    this.#group.run('role manager watch', signal => followStore(this.#deps, commit => this.#observe(commit), signal))
    this.#group.run('role manager', signal => this.#work(signal))
    this.#group.run('role manager review', signal => this.#review(signal))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]()
    for (const timer of this.#retries.values()) timer.cancel()
    this.#retries.clear()
  }

  #observe({ view, changes }: StoreCommit): void {
    const nodes = changes === 'all' ? view.list('node') : changes.flatMap(change => change.kind === 'node' && change.action !== 'remove' ? [change.object] : [])
    for (const node of nodes) if (isRoleDue(node)) this.#queue.add(node.id)
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#queue.ready(signal)
      const nodeId = this.#queue.take()
      if (nodeId === undefined) continue
      try {
        await this.#reconcile(nodeId, signal)
      } catch (err) {
        signal.throwIfAborted()
        this.#deps.logger.warn('a role could not be changed yet; trying again', { nodeId, err })
        this.#tryAgain(nodeId)
      }
    }
  }

  /** A node may be let into raft at the very moment that it is demoted, or promoted and demoted before its role changed at all (D-721). */
  async #review(signal: AbortSignal): Promise<void> {
    const { store, clock, membership } = this.#deps
    for (;;) {
      await clock.sleep(REVIEW_MS, signal)
      for (const node of store.view().list('node')) if (node.spec?.role === 'worker' && membership.isMember(node.id)) this.#queue.add(node.id)
    }
  }

  #tryAgain(nodeId: string): void {
    this.#retries.get(nodeId)?.cancel()
    this.#retries.set(nodeId, this.#deps.clock.after(RETRY_DELAY_MS, () => {
      this.#retries.delete(nodeId)
      this.#queue.add(nodeId)
    }))
  }

  async #reconcile(nodeId: string, signal: AbortSignal): Promise<void> {
    const { store, membership, logger } = this.#deps
    const node = store.view().get('node', nodeId)
    if (node === undefined) return
    if (node.spec?.role === 'worker' && membership.isMember(nodeId)) await membership.remove(nodeId)
    if (!isRoleDue(node)) return
    const role = await store.update(tx => {
      const current = tx.get('node', nodeId)
      if (current?.spec === undefined || !isRoleDue(current)) return undefined
      tx.update('node', { ...current, role: current.spec.role })
      return current.spec.role
    }, signal)
    if (role !== undefined) logger.info('role changed', { nodeId, role })
  }
}

function isRoleDue(node: Node): boolean { return node.spec !== undefined && node.spec.role !== node.role }
