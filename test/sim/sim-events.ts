/** How often what happened: a simulation in which something never happens proves nothing about it. */
export class SimEvents {
  readonly #counts = new Map<string, number>()
  #trace = 0x811c9dc5

  note(name: string, times = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times)
    this.trace(name)
  }

  /** Folds something into the fingerprint of the run: two runs of a seed have the same. */
  trace(text: string): void {
    let hash = this.#trace
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    this.#trace = hash
  }

  get counts(): EventCounts { return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))) }
  get fingerprint(): number { return this.#trace >>> 0 }
}

export type EventCounts = Readonly<Record<string, number>>

export function addEvents(a: EventCounts, b: EventCounts): EventCounts {
  const sum: Record<string, number> = { ...a }
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

/** What happened less often than the least that is asked for, in words; empty when all did. */
export function missingEvents(counts: EventCounts, least: EventCounts): readonly string[] {
  return Object.entries(least).flatMap(([name, count]) => ((counts[name] ?? 0) >= count ? [] : [`${name}: ${counts[name] ?? 0} of at least ${count}`]))
}
