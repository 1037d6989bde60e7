import type { ReadState } from 'raft-ts/ready'
import { ShoalError } from '../../src/base/errors.ts'

/** Reads that wait at once: far more than an API server has requests under way; a leader that is cut off gathers them for one election timeout. */
const READS_MAX = 10_000
const CONTEXT_BYTES = 8

interface Waiter { readonly resolve: () => void; readonly reject: (error: ShoalError) => void }
interface Round { readonly number: number; readonly term: number; readonly waiters: readonly Waiter[]; readonly index?: number }

/**
 * Reads that wait for proof that this node still leads (D-600). One round of heartbeats is under way at a time; whoever comes meanwhile shares the
 * next one. A round is over when the index that it was confirmed for is applied.
 */
export class ReadConfirmations {
  #gathered: Waiter[] = []
  #round: Round | undefined
  #roundsBegun = 0

  /** Some wait for a round that has not begun. */
  get isRoundDue(): boolean { return this.#gathered.length > 0 && this.#round === undefined }

  /** Resolves when all that was acknowledged before this call is applied here. @throws ShoalError `reads-busy` (resource-exhausted), and what rejectAll() is given */
  async wait(): Promise<void> {
    if (this.#gathered.length >= READS_MAX) throw new ShoalError('resource-exhausted', 'reads-busy', `${READS_MAX} reads wait for the managers to confirm their leader; try again in a moment`)
    return new Promise<void>((resolve, reject) => { this.#gathered.push({ resolve, reject }) })
  }

  /** Begins a round with all who wait. @returns its context for RawNode.readIndex */
  begin(term: number): Uint8Array {
    this.#roundsBegun++
    this.#round = { number: this.#roundsBegun, term, waiters: this.#gathered }
    this.#gathered = []
    const context = new Uint8Array(CONTEXT_BYTES)
    new DataView(context.buffer).setFloat64(0, this.#roundsBegun)
    return context
  }

  /** What a Ready says about rounds, and how far the state machine is. */
  confirmed(reads: readonly ReadState[], applied: number): void {
    const round = this.#round
    if (round === undefined) return
    const answer = reads.find(({ context }) => new DataView(context.buffer, context.byteOffset).getFloat64(0) === round.number)
    this.#round = answer === undefined ? round : { ...round, index: answer.index }
    this.applied(applied)
  }

  /** The state machine has applied all up to this index. */
  applied(index: number): void {
    const round = this.#round
    if (round?.index === undefined || round.index > index) return
    this.#round = undefined
    for (const { resolve } of round.waiters) resolve()
  }

  /** The leadership under which they were asked has gone; another may have begun since. */
  rejectIfOlder(term: number, error: () => ShoalError): void {
    if (this.#round !== undefined && this.#round.term !== term) this.rejectAll(error())
  }

  rejectAll(error: ShoalError): void {
    const waiters = [...this.#round?.waiters ?? [], ...this.#gathered]
    this.#round = undefined
    this.#gathered = []
    for (const { reject } of waiters) reject(error)
  }
}
