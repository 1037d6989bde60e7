import { decode } from '../../src/api/codec/codec.ts'
import type { Proposal } from '../../src/api/swarm/raft.ts'

/**
 * Brings together what stands in the log in parts. They follow each other there; when anything else comes, their proposer lost the leadership in between, and
 * the rest will never come.
 */
export class ProposalAssembler {
  #pieces: Uint8Array[] = []
  #requestId = ''

  /** @returns the proposal of an entry, or of the parts that end with it; 'incomplete' while parts are missing; undefined for what is none, or a part without those before */
  add(entry: Proposal | undefined): Proposal | undefined | 'incomplete' {
    if (entry === undefined || entry.parts === 0) {
      this.#pieces = []
      return entry
    }
    if (entry.part === 1) this.#pieces = []
    else if (entry.part !== this.#pieces.length + 1 || entry.requestId !== this.#requestId) return undefined
    this.#requestId = entry.requestId
    this.#pieces.push(entry.piece)
    if (entry.part < entry.parts) return 'incomplete'
    const bytes = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of this.#pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    this.#pieces = []
    return decode('Proposal', bytes)
  }
}
