import type { LogKey } from './log-seal.ts'
import { openText, sealingKeyId, sealText } from './sealed-text.ts'

/** The keys in use. While `isSealing`, texts are sealed with the first; all of them open. */
export interface KeyRingState { readonly keys: readonly LogKey[]; readonly isSealing: boolean }

/** What a node seals the texts with that must not lie open on its disk: its TLS key, the keys of its log. Starts empty: nothing is sealed. */
export class KeyRing {
  #state: KeyRingState = { keys: [], isSealing: false }

  get state(): KeyRingState { return this.#state }

  use(state: KeyRingState): void { this.#state = state }

  /** `text` as it is to be kept at `place`. */
  seal(text: string, place: string): string {
    const [current] = this.#state.keys
    return this.#state.isSealing && current !== undefined ? sealText(current, text, place) : text
  }

  /** What seal() was given, also with keys that are not the current one. @throws ShoalError `seal-key-missing`, `log-key-wrong` (failed-precondition) */
  open(kept: string, place: string): string { return openText(this.#state.keys, kept, place) }

  /** Whether it is kept as seal() would do it now. */
  isCurrent(kept: string): boolean { return sealingKeyId(kept) === (this.#state.isSealing ? this.#state.keys[0]?.id : undefined) }
}
