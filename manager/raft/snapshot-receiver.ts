import type { SnapshotChunk } from '../../src/api/swarm/raft.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { recordsOfChunks } from './snapshot-stream.ts'
import type { StagedSnapshot, StateMachine } from './state-machine.ts'

/** The state that a leader sends: staged beside the present one until the core accepts it; one at a time. */
export class SnapshotReceiver {
  readonly #machine: StateMachine
  #isReceiving = false
  #staged: { readonly index: number; readonly snapshot: StagedSnapshot } | undefined

  constructor(machine: StateMachine) { this.#machine = machine }

  /**
   * Stages a state of `index`, and keeps it for as long as `offer` offers it to the core.
   * @throws ShoalError `snapshot-busy` (unavailable), `snapshot-malformed` (invalid-argument)
   */
  async receive(index: number, chunks: AsyncIterator<SnapshotChunk>, offer: () => Promise<void>): Promise<void> {
    if (this.#isReceiving) throw new ShoalError('unavailable', 'snapshot-busy', 'another snapshot is being received')
    this.#isReceiving = true
    try {
      const snapshot = await this.#machine.stage(recordsOfChunks(chunks))
      if (snapshot.header.version !== index) throw new ShoalError('invalid-argument', 'snapshot-malformed', `the snapshot is of index ${snapshot.header.version}, not ${index}; it is sent again`)
      this.#staged = { index, snapshot }
      await offer()
    } finally {
      this.#staged = undefined
      this.#isReceiving = false
    }
  }

  /** The state that the core has accepted. @throws ShoalError `snapshot-missing` (internal) */
  accepted(index: number): StagedSnapshot {
    if (this.#staged?.index !== index) throw new ShoalError('internal', 'snapshot-missing', `the core accepted a snapshot at ${index} that was not received`)
    return this.#staged.snapshot
  }
}
