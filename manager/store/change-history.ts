import { abortable } from '../../src/base/abort.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { StoreChange, StoreChanges } from './object-store.ts'

/** A cluster's change of leaders at a thousand changes per second; some megabytes at most, shared with the state itself where it still holds them. */
const HELD_WEIGHT_MAX = 4096
/** Of secrets and configs, as much counts as one change. */
const WEIGHT_BYTES = 1024

/** The last changes, for those who go on from a version that they saw before. A reader has no queue: one that is slower than what is held has `lagged`. */
export class ChangeHistory {
  #held: StoreChanges[] = []
  #weight = 0
  /** All after this version is held. */
  #startsAfter: number
  #latest: number
  #wake = createSignal()

  /** @param version of the state that it begins with */
  constructor(version: number) {
    this.#startsAfter = version
    this.#latest = version
  }

  add(changes: StoreChanges): void {
    this.#held.push(changes)
    this.#weight += weightOf(changes)
    this.#latest = changes.version
    while (this.#weight > HELD_WEIGHT_MAX && this.#held.length > 1) {
      const oldest = this.#held.shift()
      if (oldest === undefined) break
      this.#weight -= weightOf(oldest)
      this.#startsAfter = oldest.version
    }
    this.#notify()
  }

  /** The state was replaced by one of this version: what led to it is not known. */
  restart(version: number): void {
    this.#held = []
    this.#weight = 0
    this.#startsAfter = version
    this.#latest = version
    this.#notify()
  }

  /** What changed after `version`, in order and without a gap, until the signal aborts. One that is still to come is waited for. @throws ShoalError `lagged` (resource-exhausted) */
  async *after(version: number, signal: AbortSignal): AsyncIterable<StoreChanges> {
    for (let seen = version; ;) {
      signal.throwIfAborted()
      if (seen < this.#startsAfter) throw new ShoalError('resource-exhausted', 'lagged', `changes after version ${seen} are no longer held, only those after ${this.#startsAfter}; list again, then watch from now on`)
      const next = seen < this.#latest ? this.#held[this.#held.findLastIndex(each => each.version <= seen) + 1] : undefined
      if (next === undefined) {
        await abortable(this.#wake.fired, signal)
        continue
      }
      yield next
      seen = next.version
    }
  }

  #notify(): void {
    const { fire } = this.#wake
    this.#wake = createSignal()
    fire()
  }
}

function weightOf({ changes }: StoreChanges): number { return changes.reduce((sum, change) => sum + 1 + Math.floor(dataBytesOf(change) / WEIGHT_BYTES), 0) }

/** Bytes of what a user put into the object; the rest of it is small. */
export function dataBytesOf({ kind, object }: StoreChange): number { return kind === 'secret' || kind === 'config' ? object.spec?.data.length ?? 0 : 0 }

interface Signal { readonly fired: Promise<void>; readonly fire: () => void }

function createSignal(): Signal {
  let fire = (): void => {}
  const fired = new Promise<void>(resolve => { fire = resolve })
  return { fired, fire }
}
