import type { WeightedPeer } from '../src/api/swarm/dispatcher.ts'
import type { Random } from '../src/base/random.ts'

/** P12: how a good or bad experience with a manager counts, and how fast older ones are forgotten. */
const OBSERVATION = 10
const SMOOTHING = 0.5

/** The managers this node knows, with its experiences. Picks at random, the good ones far more often; none again before each of the others was tried, too. */
export class ManagerList {
  readonly #random: Random
  readonly #weights = new Map<string, number>()
  /** Bad ones since the last good one. */
  readonly #tried = new Set<string>()

  constructor(options: { readonly random: Random; readonly addresses: readonly string[] }) {
    this.#random = options.random
    for (const address of options.addresses) this.#weights.set(address, 0)
  }

  get addresses(): readonly string[] { return [...this.#weights.keys()] }

  /** What a manager says about all managers replaces the list; experiences stay. An empty list says nothing. */
  replace(peers: readonly WeightedPeer[]): void {
    const addresses = peers.map(peer => peer.addr).filter(addr => addr !== '')
    if (addresses.length === 0) return
    for (const address of addresses) if (!this.#weights.has(address)) this.#weights.set(address, 0)
    for (const address of this.#weights.keys()) if (!addresses.includes(address)) this.#weights.delete(address)
  }

  observe(address: string, experience: 'good' | 'bad'): void {
    const weight = this.#weights.get(address)
    if (weight === undefined) return
    const value = experience === 'good' ? OBSERVATION : -OBSERVATION
    this.#weights.set(address, weight + SMOOTHING * (value - weight))
    if (experience === 'good') this.#tried.clear()
    else this.#tried.add(address)
  }

  /** A manager to try, or undefined when none is known. */
  pick(): string | undefined {
    // After long without any, all are equally bad, and the only one that is left must not wait for its luck.
    if (this.addresses.every(address => this.#tried.has(address))) this.#tried.clear()
    const chances = [...this.#weights].filter(([address]) => !this.#tried.has(address)).map(([address, weight]) => ({ address, chance: weight + OBSERVATION + 1 }))
    let at = this.#random.next() * chances.reduce((sum, { chance }) => sum + chance, 0)
    for (const { address, chance } of chances) {
      at -= chance
      if (at < 0) return address
    }
    return chances.at(-1)?.address
  }
}
