import type { RaftMember } from '../../src/api/swarm/raft.ts'

/** Where each other member is dialled: where the log says, or where it was found since (D-710). */
export class PeerAddresses {
  readonly #logged = new Map<number, string>()
  readonly #found = new Map<number, string>()

  /** What the log says now. An address that it changes is newer than what was found before. */
  setMembers(members: readonly RaftMember[]): void {
    const before = new Map(this.#logged)
    this.#logged.clear()
    for (const { raftId, addr } of members) this.#logged.set(raftId, addr)
    for (const raftId of [...this.#found.keys()]) if (this.#logged.get(raftId) !== before.get(raftId)) this.#found.delete(raftId)
  }

  /** A member was found at `addr`. Others than members have no place here. */
  found(raftId: number, addr: string): void {
    const logged = this.#logged.get(raftId)
    if (logged === addr) this.#found.delete(raftId)
    else if (logged !== undefined) this.#found.set(raftId, addr)
  }

  has(raftId: number): boolean { return this.#logged.has(raftId) }

  /** undefined for one that is no member. */
  addressOf(raftId: number): string | undefined { return this.#found.get(raftId) ?? this.#logged.get(raftId) }

  get ids(): Iterable<number> { return this.#logged.keys() }
}
