import type { Operation } from './operation.ts'

export type HistoryVerdict =
  | { readonly kind: 'linearizable'; readonly keys: number; readonly operations: number }
  /** No order of the key's operations explains what was seen: `explained` of them could be put in one, `next` none of them fits behind it. */
  | { readonly kind: 'violated'; readonly key: string; readonly explained: readonly Operation[]; readonly next: readonly Operation[] }
  /** The search was given up; neither is proved. */
  | { readonly kind: 'undecided'; readonly key: string; readonly steps: number }

/** Bounds the search of one key: its worst case is exponential in the operations of unknown outcome. */
const STEPS_MAX = 20_000_000

/**
 * Whether every key was a linearizable register (Herlihy and Wing 1990): each operation took effect at one instant between its call and its return.
 * Keys are independent (locality, theorem 1 there). The search is Wing and Gong's with Lowe's memory of configurations that were tried.
 */
export function checkHistory(history: readonly Operation[], options: { readonly stepsMax?: number } = {}): HistoryVerdict {
  const byKey = new Map<string, Operation[]>()
  for (const operation of history) byKey.set(operation.key, [...byKey.get(operation.key) ?? [], operation])
  for (const [key, operations] of byKey) {
    const result = new KeySearch(operations, options.stepsMax ?? STEPS_MAX).run()
    if (result === 'undecided') return { kind: 'undecided', key, steps: options.stepsMax ?? STEPS_MAX }
    if (result !== 'linearizable') return { kind: 'violated', key, ...result }
  }
  return { kind: 'linearizable', keys: byKey.size, operations: history.length }
}

/** A call or a return in the list of what was not put in order yet. */
interface Point { readonly at: number; readonly operation: Operation; readonly index: number; match: Point | undefined; previous: Point | undefined; next: Point | undefined }
interface Choice { readonly call: Point; readonly valueBefore: string | null }

/** The register after the operation; undefined when it cannot take effect now. */
function effectOf({ kind, value, expected, outcome }: Operation, current: string | null): { readonly value: string | null } | undefined {
  if (kind === 'write') return { value }
  if (kind === 'read') return outcome === 'unknown' || value === current ? { value: current } : undefined
  return current === (expected ?? null) ? { value } : undefined
}

class KeySearch {
  readonly #stepsMax: number
  readonly #head: Point
  /** Per operation, whether it is put in order; definite ones by their call, those of unknown outcome apart, for they may stay out for ever. */
  readonly #isDone: boolean[]
  readonly #unknownDone = new Set<number>()
  readonly #definite: number
  readonly #tried = new Set<string>()
  readonly #choices: Choice[] = []
  #firstOpen = 0
  #lastDone = -1
  #value: string | null = null
  #longest: readonly Operation[] = []

  constructor(operations: readonly Operation[], stepsMax: number) {
    this.#stepsMax = stepsMax
    // A read without an answer says nothing and does nothing.
    const relevant = operations.filter(({ kind, outcome }) => outcome === 'ok' || (outcome === 'unknown' && kind !== 'read'))
    const definite = relevant.filter(({ outcome }) => outcome === 'ok').sort((a, b) => a.call - b.call)
    const unknown = relevant.filter(({ outcome }) => outcome === 'unknown')
    this.#definite = definite.length
    this.#isDone = definite.map(() => false)
    this.#head = linked([...definite, ...unknown])
  }

  run(): 'linearizable' | 'undecided' | { readonly explained: readonly Operation[]; readonly next: readonly Operation[] } {
    let point = this.#head.next
    for (let steps = 0; point !== undefined; steps++) {
      if (steps === this.#stepsMax) return 'undecided'
      if (point.match !== undefined) {
        point = this.#take(point) ? this.#head.next : point.next
        continue
      }
      // A return: what it belongs to has to come before, but fits nowhere here. Of unknown ones nothing has to: everything else is in order.
      if (point.operation.outcome === 'unknown') return 'linearizable'
      const undone = this.#undo()
      if (undone === undefined) return { explained: this.#longest, next: this.#candidates() }
      point = undone.next
    }
    return 'linearizable'
  }

  /** Puts the operation next in order, if it fits and this was not tried before. */
  #take(call: Point): boolean {
    const effect = effectOf(call.operation, this.#value)
    if (effect === undefined) return false
    this.#mark(call.index, true)
    const configuration = this.#configuration(effect.value)
    if (this.#tried.has(configuration)) {
      this.#mark(call.index, false)
      return false
    }
    this.#tried.add(configuration)
    this.#choices.push({ call, valueBefore: this.#value })
    this.#value = effect.value
    lift(call)
    if (this.#choices.length > this.#longest.length) this.#longest = this.#choices.map(choice => choice.call.operation)
    return true
  }

  #undo(): Point | undefined {
    const choice = this.#choices.pop()
    if (choice === undefined) return undefined
    this.#value = choice.valueBefore
    this.#mark(choice.call.index, false)
    restore(choice.call)
    return choice.call
  }

  #mark(index: number, isDone: boolean): void {
    if (index >= this.#definite) {
      if (isDone) this.#unknownDone.add(index)
      else this.#unknownDone.delete(index)
      return
    }
    this.#isDone[index] = isDone
    if (isDone) {
      this.#lastDone = Math.max(this.#lastDone, index)
      while (this.#isDone[this.#firstOpen] === true) this.#firstOpen++
    } else {
      this.#firstOpen = Math.min(this.#firstOpen, index)
      while (this.#lastDone >= 0 && this.#isDone[this.#lastDone] === false) this.#lastDone--
    }
  }

  /** Which operations are in order, and the value: from here on all continuations are alike. */
  #configuration(value: string | null): string {
    let window = ''
    for (let index = this.#firstOpen; index <= this.#lastDone; index++) window += this.#isDone[index] === true ? '1' : '0'
    return `${this.#firstOpen}/${window}/${[...this.#unknownDone].sort((a, b) => a - b).join()}/${value === null ? '' : `=${value}`}`
  }

  /** What could have come next behind the longest order, and did not fit. */
  #candidates(): readonly Operation[] {
    const explained = new Set(this.#longest)
    const open: Operation[] = []
    for (let point = this.#head.next; point !== undefined; point = point.next) {
      if (explained.has(point.operation)) continue
      if (point.match === undefined) break
      open.push(point.operation)
    }
    return open
  }
}

/** Calls and returns in the order of time, calls first where both are at one instant; behind a head of its own. */
function linked(operations: readonly Operation[]): Point {
  const points = operations.flatMap((operation, index): Point[] => {
    const back: Point = { at: operation.outcome === 'unknown' ? Infinity : operation.return ?? Infinity, operation, index, match: undefined, previous: undefined, next: undefined }
    return [{ at: operation.call, operation, index, match: back, previous: undefined, next: undefined }, back]
  })
  points.sort((a, b) => a.at === b.at ? Number(a.match === undefined) - Number(b.match === undefined) : a.at - b.at)
  const head: Point = { at: -Infinity, operation: { client: '', key: '', kind: 'read', value: null, call: 0, outcome: 'ok' }, index: -1, match: undefined, previous: undefined, next: points[0] }
  points.forEach((point, at) => {
    point.previous = points[at - 1] ?? head
    point.next = points[at + 1]
  })
  return head
}

/** Takes a call and its return out of the list. */
function lift(call: Point): void {
  for (const point of [call, call.match]) {
    if (point?.previous !== undefined) point.previous.next = point.next
    if (point?.next !== undefined) point.next.previous = point.previous
  }
}

/** Puts them back where they were: the reverse of lift, in the reverse order. */
function restore(call: Point): void {
  for (const point of [call.match, call]) {
    if (point?.previous !== undefined) point.previous.next = point
    if (point?.next !== undefined) point.next.previous = point
  }
}
