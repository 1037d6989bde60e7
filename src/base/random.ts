/** Randomness as an argument: crypto in production, seeded in tests. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `count` random bytes; the real one is fit for keys. */
  bytes(count: number): Uint8Array
}

/** Uniform integer in [0, bound). */
export function randomInt(random: Random, bound: number): number {
  return Math.floor(random.next() * bound)
}
