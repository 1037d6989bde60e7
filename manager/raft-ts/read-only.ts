import type { Message } from './message.ts'
import { jointVote, type JointVoters } from './quorum.ts'

/** A read that may be served at `index`. */
export interface ConfirmedRead { readonly request: Message; readonly index: number }

const CONTEXT_BYTES = 8

interface PendingRead extends ConfirmedRead { readonly round: number }

/**
 * Reads that wait for proof that this leader still leads. Each new read opens a round whose number travels in heartbeats' context; an answer to a
 * round also answers all earlier ones, so one exchange of heartbeats frees all reads that came before it.
 */
export class ReadOnlyQueue {
  #round = 0
  #pending: PendingRead[] = []
  readonly #acked = new Map<number, number>()

  /** `index`: the commit index when the read arrived. */
  add(request: Message, index: number): void {
    this.#round++
    this.#pending.push({ request, index, round: this.#round })
  }

  /** What heartbeats carry: the newest round, or nothing while no read waits. */
  heartbeatContext(): Uint8Array | undefined {
    if (this.#pending.length === 0) return undefined
    const context = new Uint8Array(CONTEXT_BYTES)
    new DataView(context.buffer).setFloat64(0, this.#round)
    return context
  }

  /** `id` answered a heartbeat that carried `context`. */
  acknowledge(id: number, context: Uint8Array): void {
    if (context.length !== CONTEXT_BYTES) return
    const round = new DataView(context.buffer, context.byteOffset).getFloat64(0)
    if (round > (this.#acked.get(id) ?? 0)) this.#acked.set(id, round)
  }

  /** Takes out the reads that a quorum has confirmed, oldest first. */
  takeConfirmed(voters: JointVoters): readonly ConfirmedRead[] {
    let confirmed = 0
    while (confirmed < this.#pending.length && this.#isConfirmed((this.#pending[confirmed] as PendingRead).round, voters)) confirmed++
    return this.#pending.splice(0, confirmed)
  }

  #isConfirmed(round: number, voters: JointVoters): boolean {
    const answers = new Map<number, boolean>()
    for (const [id, acked] of this.#acked) if (acked >= round) answers.set(id, true)
    return jointVote(voters, answers) === 'won'
  }
}
