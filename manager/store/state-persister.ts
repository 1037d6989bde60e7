import { decode, encode } from '../../src/api/codec/codec.ts'
import { messageOf, ShoalError } from '../../src/base/errors.ts'
import type { KvStore, KvWrite } from '../../src/base/storage.ts'
import type { StoreChange } from './object-store.ts'
import { fromStoreObject, OBJECT_KINDS, toStoreObject, versionOf, type AnyObject, type KindedObject } from './store-object.ts'
import { StoreState } from './store-state.ts'

/** Writes, and bytes, per batch while a whole generation is written or removed: bounds what one batch holds in memory. */
const GENERATION_BATCH_WRITES = 1000
const GENERATION_BATCH_BYTES = 2 * 1024 * 1024
/** Changes, and requests, gathered before they are written: what is overwritten meanwhile is never written, and a restart reads as many from the log. */
const GATHERED_MAX = 8192
/** Requests kept under one key: each write costs far more than its bytes, and a key goes as a whole when its requests are old. */
const REQUESTS_PER_KEY = 1024
/** The same in bytes of secrets and configs, the only large objects: one batch holds them three times, encoded and sealed. */
const GATHERED_BYTES_MAX = 8 * 1024 * 1024
/** Objects encoded in one go: a longer turn of the process would hold up its heartbeats. */
const ENCODED_PER_TURN = 128
const CURRENT_KEY = 'current'
const NOTE_KEY = 'note'

/** What CURRENT_KEY holds: which generation of keys is in force, up to where it is applied, and a digest to notice missing objects. */
interface Current { readonly generation: number; readonly index: number; readonly count: number; readonly digest: number }

/** What StatePersister works with. */
export interface PersisterContext {
  readonly kv: KvStore
  /** Awaited between pieces of long work, for the process to do other things. */
  readonly pause: () => Promise<void>
  /** Requests that must still be there after a restart. */
  readonly requestsMax: number
}

/** Where some requests are kept. */
interface KeptRequests { readonly key: string; readonly count: number }
/** Requests of entries that follow each other; the key names the first. */
interface GatheredRequests { readonly key: string; readonly texts: string[] }

export interface OpenedState { readonly persister: StatePersister; readonly state: StoreState; readonly requests: readonly string[] }

/**
 * Keeps the applied state in a KvStore, behind the store: changes are gathered per object and written together with the index they
 * reach, so the kept state is always that of one index. What is not written yet is in the raft log. Keys: see D-110.
 */
export class StatePersister implements AsyncDisposable {
  readonly #kv: KvStore
  readonly #pause: () => Promise<void>
  #current: Current
  #note: Uint8Array | undefined
  readonly #requestsMax: number
  #requests: KeptRequests[]
  #requestCount: number
  #gathered: GatheredRequests[] = []
  #gatheredCount = 0
  /** By kind and id: the object, or that it is removed. */
  #dirty = new Map<string, KindedObject | undefined>()
  #dirtyBytes = 0
  /** The write under way: batches go out one after the other, or an older index could overwrite a newer. */
  #lane: Promise<unknown> = Promise.resolve()
  #isWriteQueued = false
  #isClosing = false
  #background: Promise<void> = Promise.resolve()
  #failure: ShoalError | undefined

  private constructor({ kv, pause, requestsMax }: PersisterContext, current: Current, note: Uint8Array | undefined, requests: KeptRequests[]) {
    this.#kv = kv
    this.#pause = pause
    this.#current = current
    this.#note = note
    this.#requestsMax = requestsMax
    this.#requests = requests
    this.#requestCount = countOf(requests)
  }

  static async open(context: PersisterContext): Promise<OpenedState> {
    const { kv } = context
    const current = await readCurrent(kv)
    await removeOtherGenerations(kv, current.generation)
    const { state, count, digest } = await readObjects(kv, current)
    if (count !== current.count || digest !== current.digest) {
      throw new ShoalError('internal', 'state-damaged', `the stored cluster state is damaged: ${count} of ${current.count} objects of version ${current.index} are readable. `
        + 'Remove this manager from the cluster and let it join again; if it is the only one, restore the manager\'s directory from a backup')
    }
    const kept: KeptRequests[] = []
    const requests: string[] = []
    const prefix = requestPrefix(current.generation)
    for await (const [key, value] of kv.range(prefix, after(prefix))) {
      const texts = new TextDecoder().decode(value).split('\n')
      kept.push({ key, count: texts.length })
      requests.push(...texts)
    }
    return { persister: new StatePersister(context, current, await kv.get(NOTE_KEY), kept), state, requests }
  }

  get note(): Uint8Array | undefined { return this.#note }

  /** Takes over what entry `index` changed. Returns at once; written when enough has gathered, and at the end. */
  add(index: number, changes: readonly StoreChange[], requests: readonly string[]): void {
    let { count, digest } = this.#current
    for (const { kind, action, object, old } of changes) {
      const seed = digestOfName(kind, object.id)
      if (old !== undefined) digest ^= digestOfVersion(seed, versionOf(old))
      if (action !== 'remove') digest ^= digestOfVersion(seed, versionOf(object))
      if (action !== 'remove') this.#dirtyBytes += dataBytesOf(object)
      count += action === 'create' ? 1 : action === 'remove' ? -1 : 0
      this.#dirty.set(nameOfObject(kind, object.id), action === 'remove' ? undefined : { kind, object })
    }
    if (requests.length > 0) this.#gather(index, requests)
    this.#current = { generation: this.#current.generation, index, count, digest: digest >>> 0 }
    if (this.#dirty.size + this.#gatheredCount >= GATHERED_MAX || this.#dirtyBytes >= GATHERED_BYTES_MAX) this.#start()
  }

  /** Everything up to `index` durable. @returns index @throws ShoalError `state-write-failed` */
  async flush(index: number): Promise<number> {
    this.#current = { ...this.#current, index }
    await this.#inLane(() => this.#writeDirty({ durable: true }))
    return index
  }

  /** Replaces all by `state`: written beside the old as a new generation, then switched over in one batch. */
  async replace(state: StoreState, requests: readonly string[], note: Uint8Array): Promise<void> {
    const current = { generation: this.#current.generation + 1, index: state.version, ...summaryOf(state) }
    const kept = requests.length === 0 ? [] : [{ key: requestKey(current.generation, 0), count: requests.length }]
    await this.#inLane(async () => {
      this.#dirty.clear()
      this.#dirtyBytes = 0
      this.#takeGathered()
      await this.#writeGeneration(current.generation, state)
      await this.#kv.batch([...kept.map(({ key }): KvWrite => ({ kind: 'put', key, value: encodeRequests(requests) })), { kind: 'put', key: NOTE_KEY, value: note }, currentWrite(current)])
      await removeOtherGenerations(this.#kv, current.generation)
    })
    this.#current = current
    this.#note = note
    this.#requests = kept
    this.#requestCount = countOf(kept)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    await this.#background
    if (this.#dirty.size + this.#gatheredCount > 0) this.#start()
    await this.#background
    await this.#lane
  }

  #gather(index: number, requests: readonly string[]): void {
    const newest = this.#gathered.at(-1)
    if (newest === undefined || newest.texts.length >= REQUESTS_PER_KEY) this.#gathered.push({ key: requestKey(this.#current.generation, index), texts: [...requests] })
    else newest.texts.push(...requests)
    this.#gatheredCount += requests.length
  }

  #takeGathered(): readonly GatheredRequests[] {
    const gathered = this.#gathered
    this.#gathered = []
    this.#gatheredCount = 0
    return gathered
  }

  /** Keeps the requests that were gathered, and forgets as many of the oldest as need not be there any more. */
  #requestWrites(): KvWrite[] {
    const writes = this.#takeGathered().map(({ key, texts }): KvWrite => {
      this.#requests.push({ key, count: texts.length })
      this.#requestCount += texts.length
      return { kind: 'put', key, value: encodeRequests(texts) }
    })
    for (let oldest = this.#requests[0]; oldest !== undefined && this.#requestCount - oldest.count >= this.#requestsMax; oldest = this.#requests[0]) {
      this.#requests.shift()
      this.#requestCount -= oldest.count
      writes.push({ kind: 'delete', key: oldest.key })
    }
    return writes
  }

  #start(): void {
    if (this.#isWriteQueued || this.#failure !== undefined) return
    this.#isWriteQueued = true
    this.#background = this.#write()
  }

  async #write(): Promise<void> {
    try {
      await this.#inLane(() => {
        this.#isWriteQueued = false
        return this.#writeDirty({ durable: false })
      })
    } catch (error) {
      // Kept in #failure: flush() reports it, and the raft log keeps what was not written.
      if (error !== this.#failure) throw error
    }
  }

  /** One batch of all that changed up to now; what changes meanwhile comes with the next. */
  async #writeDirty(options: { readonly durable: boolean }): Promise<void> {
    const dirty = this.#dirty
    const current = this.#current
    this.#dirty = new Map()
    this.#dirtyBytes = 0
    const writes = this.#requestWrites()
    const prefix = objectPrefix(current.generation)
    for (const [name, changed] of dirty) {
      const key = `${prefix}${name}`
      writes.push(changed === undefined ? { kind: 'delete', key } : { kind: 'put', key, value: encodeObject(changed) })
      if (writes.length % ENCODED_PER_TURN === 0 && !this.#isClosing) await this.#pause()
    }
    await this.#kv.batch([...writes, currentWrite(current)], options)
  }

  async #writeGeneration(generation: number, state: StoreState): Promise<void> {
    let writes: KvWrite[] = []
    let bytes = 0
    for (const kind of OBJECT_KINDS) {
      for (const object of state.list(kind)) {
        const value = encodeObject({ kind, object })
        writes.push({ kind: 'put', key: objectKey(generation, kind, object.id), value })
        bytes += value.length
        if (writes.length < GENERATION_BATCH_WRITES && bytes < GENERATION_BATCH_BYTES) continue
        await this.#kv.batch(writes, { durable: false })
        writes = []
        bytes = 0
        await this.#pause()
      }
    }
    await this.#kv.batch(writes)
  }

  /**
   * Runs `write` after the writes before it. After a failed one nothing is written any more: what the disk holds is then unknown until
   * the next start reads it.
   */
  async #inLane(write: () => Promise<void>): Promise<void> {
    const turn = this.#lane.then(async () => {
      if (this.#failure !== undefined) throw this.#failure
      try {
        await write()
      } catch (cause) {
        this.#failure = new ShoalError('internal', 'state-write-failed', `the cluster state can not be written: ${messageOf(cause)}; check the disk of the manager's directory and restart it`, { cause })
        throw this.#failure
      }
    })
    this.#lane = turn.catch((error: unknown) => { if (error !== this.#failure) throw error })
    await turn
  }
}

async function readCurrent(kv: KvStore): Promise<Current> {
  const bytes = await kv.get(CURRENT_KEY)
  if (bytes === undefined) return { generation: 1, index: 0, count: 0, digest: 0 }
  return JSON.parse(new TextDecoder().decode(bytes)) as Current
}

async function readObjects(kv: KvStore, { generation, index }: Current): Promise<{ state: StoreState; count: number; digest: number }> {
  const objects: KindedObject[] = []
  const prefix = objectPrefix(generation)
  for await (const [, value] of kv.range(prefix, after(prefix))) objects.push(fromStoreObject(decode('StoreObject', value)))
  const state = StoreState.of(index, objects)
  return { state, ...summaryOf(state) }
}

/** Reads none of the generation that stays: all of it would be in memory for a moment. */
async function removeOtherGenerations(kv: KvStore, generation: number): Promise<void> {
  const keep = generationPrefix(generation)
  for (const [from, to] of [['g/', keep], [after(keep), after('g/')]] as const) {
    let writes: KvWrite[] = []
    for await (const [key] of kv.range(from, to)) {
      writes.push({ kind: 'delete', key })
      if (writes.length < GENERATION_BATCH_WRITES) continue
      await kv.batch(writes, { durable: false })
      writes = []
    }
    if (writes.length > 0) await kv.batch(writes, { durable: false })
  }
}

function summaryOf(state: StoreState): { count: number; digest: number } {
  let count = 0
  let digest = 0
  for (const kind of OBJECT_KINDS) {
    for (const object of state.list(kind)) {
      count += 1
      digest ^= digestOf({ kind, object })
    }
  }
  return { count, digest: digest >>> 0 }
}

/** FNV-1a of kind, id and version. Combined by exclusive or, so it can be kept up change by change. */
function digestOf({ kind, object }: KindedObject): number { return digestOfVersion(digestOfName(kind, object.id), versionOf(object)) }
function digestOfName(kind: string, id: string): number { return digestOfText(0x811c9dc5, `${kind}/${id}/`) }
function digestOfVersion(ofName: number, version: number): number { return digestOfText(ofName, String(version)) >>> 0 }

function digestOfText(seed: number, text: string): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash
}

function currentWrite(current: Current): KvWrite {
  return { kind: 'put', key: CURRENT_KEY, value: new TextEncoder().encode(JSON.stringify(current)) }
}

function dataBytesOf(object: AnyObject): number { return (object as { readonly spec?: { readonly data?: Uint8Array } }).spec?.data?.length ?? 0 }
function encodeObject({ kind, object }: KindedObject): Uint8Array { return encode('StoreObject', toStoreObject(kind, object)) }
function generationPrefix(generation: number): string { return `g/${padded(generation)}/` }
function objectPrefix(generation: number): string { return `${generationPrefix(generation)}o/` }
function nameOfObject(kind: string, id: string): string { return `${kind}/${id}` }
function objectKey(generation: number, kind: string, id: string): string { return `${objectPrefix(generation)}${nameOfObject(kind, id)}` }
function requestPrefix(generation: number): string { return `${generationPrefix(generation)}r/` }
function requestKey(generation: number, index: number): string { return `${requestPrefix(generation)}${padded(index)}` }
function encodeRequests(requests: readonly string[]): Uint8Array { return new TextEncoder().encode(requests.join('\n')) }
function countOf(requests: readonly KeptRequests[]): number { return requests.reduce((sum, { count }) => sum + count, 0) }
function padded(value: number): string { return String(value).padStart(16, '0') }
/** The least string after all that start with `prefix` (whose last character is a slash). */
function after(prefix: string): string { return `${prefix.slice(0, -1)}0` }
