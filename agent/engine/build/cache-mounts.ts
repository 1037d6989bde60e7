import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BuildCacheRecord } from '../../../src/api/engine/build-request.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { readJson, writeDurably } from '../durable-file.ts'
import { Mutex } from '../mutex.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'

/** Folders that RUN --mount=type=cache keeps between builds. */
const CACHES_MAX = 1000

interface CacheFacts { readonly name: string; readonly createdMs: number; readonly usedMs: number; readonly uses: number }

interface CacheFolder {
  facts: CacheFacts
  users: number
  /** For sharing=locked: one build at a time. */
  readonly exclusive: Mutex
}

/** How several builds use one folder at once: together, each its own, or one after the other. */
export type CacheSharing = 'shared' | 'private' | 'locked'

export interface CacheUse extends AsyncDisposable { readonly path: string }

/** The folders, by name; on disk with what is known of them. Losing one costs time, so nothing is synced. */
export class CacheMounts {
  readonly #root: string
  readonly #clock: Clock
  readonly #folders = new Map<string, CacheFolder>()

  constructor(root: string, clock: Clock) {
    this.#root = root
    this.#clock = clock
  }

  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o711 })
    for (const id of await readdir(this.#root)) {
      const facts = await readJson<CacheFacts>(join(this.#root, id, 'facts.json')).catch(() => undefined)
      if (facts === undefined) await rm(join(this.#root, id), { recursive: true, force: true })
      else this.#folders.set(id, { facts, users: 0, exclusive: new Mutex() })
    }
  }

  /** The folder of this name, made if it is new. Dispose gives it back. @throws `too-many-caches` */
  async use(name: string, sharing: CacheSharing, owner: { readonly uid: number; readonly gid: number; readonly mode: number }): Promise<CacheUse> {
    const id = await this.#choose(name, sharing)
    const folder = this.#folders.get(id) ?? this.#add(id, name)
    folder.users++
    const unlock = sharing === 'locked' ? await lock(folder.exclusive) : () => undefined
    try {
      const path = join(this.#root, id, 'data')
      const made = await mkdir(path, { recursive: true, mode: 0o711 })
      if (made !== undefined) {
        await chown(path, owner.uid, owner.gid)
        await chmod(path, owner.mode)
      }
      folder.facts = { ...folder.facts, usedMs: this.#clock.nowMs(), uses: folder.facts.uses + 1 }
      await writeDurably(join(this.#root, id, 'facts.json'), JSON.stringify(folder.facts), { sync: false })
      return { path, [Symbol.asyncDispose]: async () => { folder.users--; unlock(); await Promise.resolve() } }
    } catch (error) {
      folder.users--
      unlock()
      throw error
    }
  }

  async list(): Promise<readonly BuildCacheRecord[]> {
    return Promise.all([...this.#folders].map(async ([id, { facts, users }]) => ({
      ID: id, Type: 'exec.cachemount', Description: `cached mount ${facts.name}`, InUse: users > 0, Shared: false, Size: await diskUsage(join(this.#root, id, 'data')),
      CreatedAt: new Date(facts.createdMs).toISOString(), LastUsedAt: new Date(facts.usedMs).toISOString(), UsageCount: facts.uses,
    })))
  }

  /** Removes those that are not in use, least recently used first. `keepBytes` may stay. */
  async prune(options: { readonly unusedSinceMs: number; readonly keepBytes: number; readonly ids?: readonly string[] }): Promise<{ readonly ids: readonly string[]; readonly bytes: number }> {
    const records = [...await this.list()].sort((a, b) => Date.parse(a.LastUsedAt) - Date.parse(b.LastUsedAt))
    let left = records.reduce((sum, { Size }) => sum + Size, 0)
    const ids: string[] = []
    let bytes = 0
    for (const { ID, InUse, Size, LastUsedAt } of records) {
      if (options.keepBytes > 0 && left <= options.keepBytes) break
      if (InUse || Date.parse(LastUsedAt) > options.unusedSinceMs || (options.ids !== undefined && !options.ids.some(id => ID.startsWith(id)))) continue
      this.#folders.delete(ID)
      await rm(join(this.#root, ID), { recursive: true, force: true })
      ids.push(ID)
      bytes += Size
      left -= Size
    }
    return { ids, bytes }
  }

  /** A private folder that is in use is left alone: the next free one of the same name is taken. */
  async #choose(name: string, sharing: CacheSharing): Promise<string> {
    for (let copy = 0; ; copy++) {
      const id = createHash('sha256').update(`${name}\0${copy}`).digest('hex').slice(0, 25)
      if (sharing !== 'private' || (this.#folders.get(id)?.users ?? 0) === 0) return await Promise.resolve(id)
    }
  }

  #add(id: string, name: string): CacheFolder {
    if (this.#folders.size >= CACHES_MAX) throw new ShoalError('resource-exhausted', 'too-many-caches', `there are ${CACHES_MAX} folders of RUN --mount=type=cache already; remove some with docker builder prune`)
    const nowMs = this.#clock.nowMs()
    const folder = { facts: { name, createdMs: nowMs, usedMs: nowMs, uses: 0 }, users: 0, exclusive: new Mutex() }
    this.#folders.set(id, folder)
    return folder
  }
}

/** Resolves when it is one's turn, with what ends it. */
function lock(mutex: Mutex): Promise<() => void> {
  return new Promise((resolve, reject) => {
    mutex.run(() => new Promise<void>(done => { resolve(done) })).catch(reject)
  })
}
