import type { ContactAnswer } from '../../src/api/swarm/control.ts'
import { messageOf, ShoalError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import { randomInt } from '../../src/base/random.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { isDialable } from './member-address.ts'
import { MembershipClient, type MembershipClientOptions } from './membership-client.ts'
import type { RaftNode } from './raft-node.ts'

/** How often somebody is asked while there is no leader. */
const ASK_MS = 1_000
/** Addresses that are remembered, the oldest forgotten first: as many as a cluster has managers, and the mistyped ones. */
const CONTACTS_MAX = 32

/** What MemberFinder works with. */
export interface MemberFinderOptions extends MembershipClientOptions {
  readonly raft: RaftNode
  readonly logger: Logger
  /** Where managers were, or may be; "host:port". */
  readonly contacts: readonly string[]
}

/**
 * Finds members that are not where the log says (D-710). Without a leader nobody can write down who moved, so each manager asks whom it reaches,
 * and at addresses that it was given, where the others are; who is found hears from it, and so knows where this one is.
 */
export class MemberFinder implements AsyncDisposable {
  readonly #raft: RaftNode
  readonly #options: MemberFinderOptions
  readonly #client: MembershipClient
  readonly #contacts: Set<string>
  readonly #tasks: TaskGroup

  constructor(options: MemberFinderOptions) {
    this.#options = options
    this.#raft = options.raft
    this.#client = new MembershipClient(options)
    this.#contacts = new Set(options.contacts)
    this.#tasks = new TaskGroup(options.logger)
    this.#tasks.run('find raft members', signal => this.#run(signal))
  }

  /** Asks at each address which manager is there, and remembers them all for as long as this process lives. */
  async meet(addresses: readonly string[], signal?: AbortSignal): Promise<readonly ContactAnswer[]> {
    for (const addr of addresses) this.#remember(addr)
    return Promise.all(addresses.map(async addr => {
      try {
        return { addr, nodeId: await this.#ask(addr, signal), error: '' }
      } catch (error) {
        signal?.throwIfAborted()
        return { addr, nodeId: '', error: messageOf(error) }
      }
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#tasks[Symbol.asyncDispose]() }

  #remember(addr: string): void {
    this.#contacts.delete(addr)
    const [oldest] = this.#contacts
    if (this.#contacts.size >= CONTACTS_MAX && oldest !== undefined) this.#contacts.delete(oldest)
    this.#contacts.add(addr)
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#raft.signal.aborted) {
      await this.#options.clock.sleep(ASK_MS, signal)
      if (this.#raft.leadership.leaderId !== 0) continue
      const candidates = this.#candidates()
      const addr = candidates[randomInt(this.#options.random, Math.max(1, candidates.length))]
      if (addr === undefined) continue
      try {
        await this.#ask(addr, signal)
      } catch (error) {
        // Nobody there: another one is asked next.
        if (!(error instanceof ShoalError)) throw error
      }
    }
  }

  /** Members that are heard know others; contacts are asked unless a member that is heard is there. */
  #candidates(): readonly string[] {
    const members = this.#raft.membersWhereTheyAre.filter(member => member.raftId !== this.#raft.raftId)
    if (members.every(member => this.#raft.silentMs(member.raftId) < this.#raft.silenceMaxMs)) return []
    const heard = members.filter(member => this.#raft.silentMs(member.raftId) < this.#raft.silenceMaxMs).map(({ addr }) => addr)
    return [...new Set([...heard, ...this.#contacts])].filter(addr => isDialable(addr) && addr !== this.#raft.addr)
  }

  /** @returns the node id of the manager that answered @throws ShoalError what the call throws; `member-mismatch` when it is none of this cluster's members as this one knows them */
  async #ask(addr: string, signal: AbortSignal | undefined): Promise<string> {
    const { members, selfId } = await this.#client.members(addr, signal)
    const self = this.#raft.table.members.find(member => member.raftId === selfId)
    for (const member of members) if (member.raftId !== selfId) this.#raft.foundMember(member.raftId, member.addr, 'another')
    if (selfId === this.#raft.raftId) throw new ShoalError('failed-precondition', 'member-mismatch', 'that is this manager itself: give the address of another one')
    if (self === undefined) throw new ShoalError('failed-precondition', 'member-mismatch', 'the manager there is none that this one knows: it joined later, or was removed; give the address of another one')
    this.#raft.foundMember(selfId, addr, 'itself')
    return self.nodeId
  }
}
