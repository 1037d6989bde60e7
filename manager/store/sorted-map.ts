/** Entries per chunk: a change copies one chunk and the list of chunks, so about the square root of the largest table (100,000) is cheapest. */
const CHUNK_ENTRIES_MAX = 256

interface Chunk<V> { readonly keys: readonly string[]; readonly values: readonly V[] }

/**
 * An immutable map in order of its keys (compared as UTF-16 code units). set() and delete() give a new map that shares all but
 * one chunk with the old one: with 100,000 entries a change copies some hundred pointers.
 */
export class SortedMap<V> {
  readonly size: number
  readonly #chunks: readonly Chunk<V>[]
  #values: readonly V[] | undefined

  private constructor(chunks: readonly Chunk<V>[], size: number) {
    this.#chunks = chunks
    this.size = size
  }

  static empty<V>(): SortedMap<V> { return new SortedMap<V>([], 0) }

  /** Of entries in any order, each key once: far quicker than as many set(). */
  static of<V>(entries: readonly (readonly [key: string, value: V])[]): SortedMap<V> {
    const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
    const chunks: Chunk<V>[] = []
    for (let at = 0; at < sorted.length; at += CHUNK_ENTRIES_MAX) {
      const part = sorted.slice(at, at + CHUNK_ENTRIES_MAX)
      chunks.push({ keys: part.map(([key]) => key), values: part.map(([, value]) => value) })
    }
    return new SortedMap(chunks, sorted.length)
  }

  get(key: string): V | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)]
    if (chunk === undefined) return undefined
    const at = lowerBound(chunk.keys, key)
    return chunk.keys[at] === key ? chunk.values[at] : undefined
  }

  set(key: string, value: V): SortedMap<V> {
    const c = this.#chunkOf(key)
    const chunk = this.#chunks[c]
    if (chunk === undefined) return new SortedMap([{ keys: [key], values: [value] }], 1)
    const at = lowerBound(chunk.keys, key)
    if (chunk.keys[at] === key) return new SortedMap(this.#chunks.with(c, { keys: chunk.keys, values: chunk.values.with(at, value) }), this.size)
    const grown = { keys: chunk.keys.toSpliced(at, 0, key), values: chunk.values.toSpliced(at, 0, value) }
    return new SortedMap(this.#chunks.toSpliced(c, 1, ...split(grown, c === this.#chunks.length - 1)), this.size + 1)
  }

  delete(key: string): SortedMap<V> {
    const c = this.#chunkOf(key)
    const chunk = this.#chunks[c]
    if (chunk === undefined) return this
    const at = lowerBound(chunk.keys, key)
    if (chunk.keys[at] !== key) return this
    if (chunk.keys.length === 1) return new SortedMap(this.#chunks.toSpliced(c, 1), this.size - 1)
    const shrunk = { keys: chunk.keys.toSpliced(at, 1), values: chunk.values.toSpliced(at, 1) }
    const next = this.#chunks[c + 1]
    // Neighbours that are small together become one, so that many removals do not leave a long list of tiny chunks.
    if (next !== undefined && shrunk.keys.length + next.keys.length <= CHUNK_ENTRIES_MAX / 2) {
      const joined = { keys: [...shrunk.keys, ...next.keys], values: [...shrunk.values, ...next.values] }
      return new SortedMap(this.#chunks.toSpliced(c, 2, joined), this.size - 1)
    }
    return new SortedMap(this.#chunks.with(c, shrunk), this.size - 1)
  }

  /** All values in order of key. Made once per map. */
  values(): readonly V[] {
    this.#values ??= this.#chunks.flatMap(chunk => chunk.values)
    return this.#values
  }

  /** Entries with key >= `from`, in order. */
  *entriesFrom(from: string): Iterable<readonly [key: string, value: V]> {
    for (let c = this.#chunkOf(from); c < this.#chunks.length; c++) {
      const chunk = this.#chunks[c] as Chunk<V>
      for (let at = lowerBound(chunk.keys, from); at < chunk.keys.length; at++) yield [chunk.keys[at] as string, chunk.values[at] as V]
    }
  }

  /** The last chunk that starts at or before `key`, else the first. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#chunks[middle]?.keys[0] as string) <= key) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

/** A full chunk is halved; at the end of the map it is only topped off, so that keys added in order leave full chunks. */
function split<V>(chunk: Chunk<V>, isLast: boolean): readonly Chunk<V>[] {
  if (chunk.keys.length <= CHUNK_ENTRIES_MAX) return [chunk]
  const at = isLast ? chunk.keys.length - 1 : chunk.keys.length >>> 1
  return [
    { keys: chunk.keys.slice(0, at), values: chunk.values.slice(0, at) },
    { keys: chunk.keys.slice(at), values: chunk.values.slice(at) },
  ]
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] as string) < key) low = middle + 1
    else high = middle
  }
  return low
}
