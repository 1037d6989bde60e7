/**
 * How old the state was that requests were answered from. A request is known by its abort signal, which is its own; it is forgotten with it.
 */
export class Staleness {
  readonly #worstMs = new WeakMap<AbortSignal, number>()

  /** Notes an answer for this request. @param staleMs 0: from the leader */
  note(signal: AbortSignal | undefined, staleMs: number): void {
    if (signal !== undefined && staleMs > this.ofMs(signal)) this.#worstMs.set(signal, staleMs)
  }

  /** The oldest state that anything in this request's answer is of; 0: all of it is current. */
  ofMs(signal: AbortSignal): number { return this.#worstMs.get(signal) ?? 0 }

  /** The header that marks a stale answer, in whole seconds, at least 1; none where everything is current. */
  headers(signal: AbortSignal): Readonly<Record<string, string>> {
    const ms = this.ofMs(signal)
    return ms === 0 ? {} : { 'Shoal-Stale': String(Math.max(1, Math.round(ms / 1000))) }
  }
}
