import type { Timer } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { WorkQueue } from '../../src/base/work-queue.ts'

/** What a session's streams tell of: the node itself and the managers, or its assignments. */
export type SessionStream = 'session' | 'assignments'

interface OpenStream { readonly changed: WorkQueue<'changed'>; readonly abort: AbortController }

/** One registered agent. Lives from its registration until its heartbeats stop, a newer session of the node, or the end of the leadership. */
export class NodeSession {
  readonly nodeId: string
  readonly id: string
  /** Networks the agent has tables of. */
  networks: ReadonlySet<string> = new Set()
  /** The leadership ends: the session stream says so and closes. */
  isDisconnecting = false
  readonly #streams = new Map<SessionStream, OpenStream>()
  readonly #end = new AbortController()
  #expiry: Timer | undefined

  constructor(nodeId: string, id: string) {
    this.nodeId = nodeId
    this.id = id
  }

  /** Opens a stream, which takes over from the one before. `signal` ends with the session, the caller or the next stream of the kind. */
  open(kind: SessionStream, caller: AbortSignal): { readonly changed: WorkQueue<'changed'>; readonly signal: AbortSignal } {
    this.#streams.get(kind)?.abort.abort(new ShoalError('cancelled', 'stream-superseded', `the agent opened another ${kind} stream`))
    const stream = { changed: new WorkQueue<'changed'>(), abort: new AbortController() }
    this.#streams.set(kind, stream)
    return { changed: stream.changed, signal: AbortSignal.any([stream.abort.signal, this.#end.signal, caller]) }
  }

  /** What the stream tells of may have changed. */
  wake(kind: SessionStream): void { this.#streams.get(kind)?.changed.add('changed') }

  /** Replaces the deadline for the next sign of life. */
  expectBy(timer: Timer): void {
    this.#expiry?.cancel()
    this.#expiry = timer
  }

  /** Ends all streams with `reason`. */
  end(reason: Error): void {
    this.#expiry?.cancel()
    this.#end.abort(reason)
  }

  /** Ends the assignments, and lets the session stream say goodbye. */
  disconnect(reason: Error): void {
    this.#expiry?.cancel()
    this.isDisconnecting = true
    this.#streams.get('assignments')?.abort.abort(reason)
    this.wake('session')
  }
}
