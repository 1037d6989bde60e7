import { invariant } from './invariant.ts'

interface Inflight { readonly index: number; readonly bytes: number }

/** The MsgApps a peer has not yet acknowledged, oldest first, each known by its last entry's index. */
export class Inflights {
  readonly #messagesMax: number
  readonly #bytesMax: number
  #window: Inflight[] = []
  #bytes = 0

  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax
    this.#bytesMax = bytesMax
  }

  get count(): number { return this.#window.length }
  get isFull(): boolean { return this.#window.length >= this.#messagesMax || this.#bytes >= this.#bytesMax }

  /** Indexes must not decrease. Not allowed while full. */
  add(index: number, bytes: number): void {
    invariant(!this.isFull, () => 'more messages in flight than allowed')
    this.#window.push({ index, bytes })
    this.#bytes += bytes
  }

  /** Forgets the messages up to and including this index. */
  freeUpTo(index: number): void {
    let freed = 0
    for (const flight of this.#window) {
      if (flight.index > index) break
      this.#bytes -= flight.bytes
      freed++
    }
    if (freed > 0) this.#window = this.#window.slice(freed)
  }

  reset(): void {
    this.#window = []
    this.#bytes = 0
  }

  clone(): Inflights {
    const copy = new Inflights(this.#messagesMax, this.#bytesMax)
    copy.#window = [...this.#window]
    copy.#bytes = this.#bytes
    return copy
  }
}
