import type { MemberTable } from './member-table.ts'

const NOBODY: MemberTable = { confState: { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false }, members: [], removed: [] }

/** The member tables that bases of the log may still need, at the indexes where they came into force. Bounded by compaction, which forgets. */
export class MemberHistory {
  #tables: (readonly [index: number, table: MemberTable])[] = []

  /** The newest table; an empty one before the first. */
  get current(): MemberTable { return this.#tables.at(-1)?.[1] ?? NOBODY }

  /** The table is in force from `index` on; indexes ascend. */
  add(index: number, table: MemberTable): void { this.#tables.push([index, table]) }

  /** Begins anew, as after a snapshot. */
  reset(index: number, table: MemberTable): void { this.#tables = [[index, table]] }

  /** What was in force at `index`; undefined when that is forgotten. */
  at(index: number): MemberTable | undefined { return this.#tables.findLast(([from]) => from <= index)?.[1] }

  /** Forgets what was no longer in force at `index`. */
  forgetBefore(index: number): void {
    const first = this.#tables.findLastIndex(([from]) => from <= index)
    this.#tables = this.#tables.slice(Math.max(0, first))
  }
}
