import type { GenericResource } from '../../src/api/swarm/specs.ts'

/** What is left of a node's generic resources: a count of discrete ones, a set of named ones, per kind. */
export class GenericPool {
  readonly #discrete = new Map<string, number>()
  readonly #named = new Map<string, Set<string>>()

  constructor(resources: readonly GenericResource[]) { this.give(resources) }

  give(resources: readonly GenericResource[]): void {
    for (const { kind, discrete, named } of resources) {
      if (named !== undefined) this.#namesOf(kind).add(named)
      else this.#discrete.set(kind, (this.#discrete.get(kind) ?? 0) + (discrete ?? 0))
    }
  }

  /** Takes exactly these; may go below zero when a node lost resources that are in use. */
  take(resources: readonly GenericResource[]): void {
    for (const { kind, discrete, named } of resources) {
      if (named !== undefined) this.#namesOf(kind).delete(named)
      else this.#discrete.set(kind, (this.#discrete.get(kind) ?? 0) - (discrete ?? 0))
    }
  }

  /** True when `wanted` (counts per kind) can be had, as named or as discrete ones. */
  has(wanted: readonly GenericResource[]): boolean { return wanted.every(({ kind, discrete }) => this.#count(kind) >= (discrete ?? 0)) }

  /** The resources that fill `wanted`; take() them to claim them. */
  choose(wanted: readonly GenericResource[]): GenericResource[] {
    return wanted.flatMap(({ kind, discrete = 0 }): GenericResource[] => {
      const names = [...(this.#named.get(kind) ?? [])]
      return names.length > 0 ? names.slice(0, discrete).map(named => ({ kind, named })) : [{ kind, discrete }]
    })
  }

  #count(kind: string): number {
    const names = this.#named.get(kind)
    return names !== undefined && names.size > 0 ? names.size : this.#discrete.get(kind) ?? 0
  }

  #namesOf(kind: string): Set<string> {
    const names = this.#named.get(kind) ?? new Set<string>()
    this.#named.set(kind, names)
    return names
  }
}
