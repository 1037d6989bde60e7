import { Mutex } from './mutex.ts'

/** One piece of work at a time for each key; keys that nobody works on cost nothing. */
export class KeyedMutex {
  readonly #held = new Map<string, { readonly mutex: Mutex; waiting: number }>()

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const held = this.#held.get(key) ?? { mutex: new Mutex(), waiting: 0 }
    this.#held.set(key, held)
    held.waiting++
    try {
      return await held.mutex.run(work)
    } finally {
      if (--held.waiting === 0) this.#held.delete(key)
    }
  }
}
