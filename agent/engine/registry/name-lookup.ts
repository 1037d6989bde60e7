import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { abortable } from '../../../src/base/abort.ts'
import { Mutex } from '../mutex.ts'

/**
 * The host's own resolver, one question at a time: a question to a dead name server holds a thread of the pool for half a minute, and the pool has
 * four, which all file access of the daemon shares (D-301).
 */
export class NameLookup {
  readonly #asking = new Mutex()
  readonly #ask: (name: string) => Promise<readonly LookupAddress[]>

  constructor(ask: (name: string) => Promise<readonly LookupAddress[]> = askSystem) { this.#ask = ask }

  /** Empty when the name is not known. */
  async addresses(name: string, signal?: AbortSignal): Promise<readonly string[]> {
    try {
      return (await this.all(name, signal)).map(({ address }) => address)
    } catch {
      signal?.throwIfAborted()
      return []
    }
  }

  async all(name: string, signal?: AbortSignal): Promise<readonly LookupAddress[]> {
    return abortable(this.#asking.run(async () => (signal?.aborted === true ? [] : this.#ask(name))), signal)
  }

  /** For net.connect. */
  readonly forSockets: LookupFunction = (name, options, callback) => {
    this.all(name).then(found => {
      const usable = options.family === 4 || options.family === 6 ? found.filter(({ family }) => family === options.family) : found
      const [first] = usable
      if (first === undefined) callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', hostname: name }), '', 0)
      else if (options.all === true) callback(null, [...usable])
      else callback(null, first.address, first.family)
    }, (error: unknown) => { callback(error as NodeJS.ErrnoException, '', 0) })
  }
}

function askSystem(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => { systemLookup(name, { all: true }, (error, found) => { if (error === null) resolve(found); else reject(error) }) })
}
