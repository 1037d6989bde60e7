/** Share of a new measurement in the average. */
const SHARE = 0.25

/** How quickly a member acknowledges what it is sent: one append at a time is measured. */
export class AckPace {
  #averageMs = 0
  #pendingIndex = 0
  #sentAtMs = 0

  /** Entries up to this index go to the member now. */
  sent(index: number, nowMs: number): void {
    if (this.#pendingIndex !== 0) return
    this.#pendingIndex = index
    this.#sentAtMs = nowMs
  }

  /** It has acknowledged all up to this index. */
  acknowledged(index: number, nowMs: number): void {
    if (this.#pendingIndex === 0 || index < this.#pendingIndex) return
    this.#averageMs += (nowMs - this.#sentAtMs - this.#averageMs) * SHARE
    this.#pendingIndex = 0
  }

  /** What an acknowledgement takes on average; more if the last one takes longer already. 0 if nothing is known. */
  delayMs(nowMs: number): number { return Math.max(this.#averageMs, this.#pendingIndex === 0 ? 0 : nowMs - this.#sentAtMs) }
}
