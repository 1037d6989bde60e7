import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Volume, VolumeCreateOptions } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import { damagedRecord, makeDirectory, readJson, removeUnfinished, writeDurably } from '../durable-file.ts'
import type { Filters, Volumes } from '../engine.ts'
import type { EventLog } from '../event-log.ts'
import { booleanFilter, checkFilters, matchesLabels, matchesPruneLabels } from '../filters.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'

interface VolumeRecord {
  readonly name: string
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  readonly anonymous: boolean
  /** An anonymous volume's container, with which it goes; not once that was removed without its volumes. */
  readonly owner?: string | undefined
}

export interface LocalVolumesOptions {
  readonly root: string
  readonly logger: Logger
  readonly mounts: KernelMounts
  readonly events: EventLog
  readonly clock: Clock
  readonly random: Random
  /** Containers, running or not, that have this volume. */
  readonly usersOf: (name: string) => readonly string[]
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
/** It is a directory's name. */
const NAME_LENGTH_MAX = 255
const OPTION_NAMES: readonly string[] = ['type', 'device', 'o', 'size']
/** No volume's name begins so. */
const REMOVED_PREFIX = '.removed-'
/** Set by clients on volumes that they made without a name. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous'

/** The driver `local`: directories below the data root, or file systems mounted there while a container uses them. */
export class LocalVolumes implements Volumes {
  readonly #options: LocalVolumesOptions
  readonly #records = new Map<string, VolumeRecord>()
  /** Containers that have a volume mounted, by volume. */
  readonly #active = new Map<string, Set<string>>()

  constructor(options: LocalVolumesOptions) { this.#options = options }

  /** Reads what is on disk. A directory without its record was never acknowledged, so it is empty; one that holds anything has lost its record, and is left. */
  async open(): Promise<void> {
    await mkdir(this.#options.root, { recursive: true, mode: 0o701 })
    for (const name of await readdir(this.#options.root)) {
      try {
        if (name.startsWith(REMOVED_PREFIX)) { await rm(join(this.#options.root, name), { recursive: true, force: true }); continue }
        await removeUnfinished(join(this.#options.root, name))
        const record = await readJson<VolumeRecord>(this.#recordPath(name))
        if (record === undefined) await this.#removeEmpty(name)
        else if (isRecordOf(record, name)) this.#records.set(name, record)
        else throw damagedRecord(this.#recordPath(name))
      } catch (err) {
        this.#options.logger.error('a volume is left alone, for its record is damaged', { volume: name, reason: messageOf(err) })
      }
    }
  }

  /** Removes the anonymous volumes of containers that are not there: their create or their removal was cut off. */
  async retain(containerIds: ReadonlySet<string>): Promise<void> {
    const owners = new Set([...this.#records.values()].flatMap(record => record.owner ?? []))
    for (const owner of owners) if (!containerIds.has(owner)) await this.removeOwned(owner)
  }

  /** The anonymous volumes of a container stay when it goes. */
  async disown(containerId: string): Promise<void> {
    for (const record of this.#ownedBy(containerId)) await this.#save({ ...record, owner: undefined })
  }

  /** Removes the anonymous volumes of a container that is gone; what others have got from it stays. */
  async removeOwned(containerId: string): Promise<void> {
    for (const record of this.#ownedBy(containerId)) {
      if (this.#options.usersOf(record.name).some(user => user !== containerId)) await this.#save({ ...record, owner: undefined })
      else await this.#removeNow(record.name)
    }
  }

  #ownedBy(containerId: string): readonly VolumeRecord[] { return [...this.#records.values()].filter(record => record.owner === containerId) }

  async #removeEmpty(name: string): Promise<void> {
    for (const path of [this.#data(name), join(this.#options.root, name)]) {
      await rmdir(path).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOTEMPTY') throw new ShoalError('internal', 'record-damaged', `${this.#recordPath(name)} is missing beside a folder that holds data; restore it, or remove ${join(this.#options.root, name)}`, { cause })
        if (cause.code !== 'ENOENT') throw cause
      })
    }
  }

  /** @param owner the container that an anonymous volume is made for */
  async create(options: VolumeCreateOptions, owner?: string): Promise<Volume> {
    if (options.Driver !== undefined && options.Driver !== '' && options.Driver !== 'local') throw new ShoalError('not-found', 'no-such-volume-driver', `error looking up volume plugin ${options.Driver}: plugin "${options.Driver}" not found; only "local" is built in`)
    const anonymous = options.Name === undefined || options.Name === ''
    const name = anonymous ? createHexId(this.#options.random) : options.Name ?? ''
    if (!NAME.test(name)) throw new ShoalError('invalid-argument', 'invalid-name', `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`)
    if (name.length > NAME_LENGTH_MAX) throw new ShoalError('invalid-argument', 'invalid-name', `the volume name "${name.slice(0, 40)}…" is longer than ${NAME_LENGTH_MAX} characters`)
    const existing = this.#records.get(name)
    if (existing !== undefined) return this.#json(existing)
    const unknown = Object.keys(options.DriverOpts ?? {}).find(key => !OPTION_NAMES.includes(key))
    if (unknown !== undefined) throw new ShoalError('invalid-argument', 'invalid-volume-option', `create ${name}: invalid option: "${unknown}"`)
    const record: VolumeRecord = {
      name, createdAt: new Date(this.#options.clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z'), options: options.DriverOpts ?? {},
      labels: { ...options.Labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) }, anonymous, ...(anonymous && owner !== undefined ? { owner } : {}),
    }
    await makeDirectory(this.#data(name), 0o755)
    await this.#save(record)
    this.#options.events.publish('volume', 'create', name, { driver: 'local' })
    return this.#json(record)
  }

  async inspect(name: string): Promise<Volume> { return this.#json(this.#get(name)) }

  async list(filters: Filters = {}, options: { readonly size?: boolean } = {}): Promise<{ readonly Volumes: readonly Volume[]; readonly Warnings: readonly string[] }> {
    checkFilters(filters, ['dangling', 'driver', 'label', 'name'])
    const dangling = booleanFilter(filters, 'dangling')
    const matches = (record: VolumeRecord): boolean =>
      (dangling === undefined || dangling === (this.#options.usersOf(record.name).length === 0))
      && matchesLabels(filters['label'], record.labels)
      && (filters['driver'] === undefined || filters['driver'].includes('local'))
      && (filters['name'] === undefined || filters['name'].some(name => record.name.includes(name)))
    const found = [...this.#records.values()].filter(matches)
    const volumes = options.size !== true ? found.map(record => this.#json(record)) : await Promise.all(found.map(async record => ({
      ...this.#json(record), UsageData: { Size: await diskUsage(this.#data(record.name)), RefCount: this.#options.usersOf(record.name).length },
    })))
    return { Volumes: volumes, Warnings: [] }
  }

  async remove(name: string, force: boolean): Promise<void> {
    if (force && !this.#records.has(name)) return
    this.#get(name)
    const users = this.#options.usersOf(name)
    if (users.length > 0) throw new ShoalError('conflict', 'volume-in-use', `remove ${name}: volume is in use - [${users.join(', ')}]`)
    await this.#removeNow(name)
  }

  /** Its folder gets another name first: a volume is there with all it holds, or not at all. */
  async #removeNow(name: string): Promise<void> {
    const removed = join(this.#options.root, `${REMOVED_PREFIX}${createHexId(this.#options.random).slice(0, 16)}`)
    await rename(join(this.#options.root, name), removed)
    this.#records.delete(name)
    await rm(removed, { recursive: true, force: true })
    this.#options.events.publish('volume', 'destroy', name, { driver: 'local' })
  }

  async #save(record: VolumeRecord): Promise<void> {
    await writeDurably(this.#recordPath(record.name), JSON.stringify(record), { sync: !record.anonymous })
    this.#records.set(record.name, record)
  }

  async prune(filters: Filters): Promise<{ readonly VolumesDeleted: readonly string[]; readonly SpaceReclaimed: number }> {
    checkFilters(filters, ['all', 'label', 'label!'])
    const all = booleanFilter(filters, 'all') === true
    const unused = [...this.#records.values()].filter(record => (all || ANONYMOUS_LABEL in record.labels) && matchesPruneLabels(filters, record.labels) && this.#options.usersOf(record.name).length === 0)
    let bytes = 0
    for (const { name } of unused) {
      bytes += await diskUsage(this.#data(name))
      await this.remove(name, true)
    }
    this.#options.events.publish('volume', 'prune', '', { reclaimed: String(bytes) })
    return { VolumesDeleted: unused.map(record => record.name), SpaceReclaimed: bytes }
  }

  /** The host directory of a volume that a container starts with; mounts it if it is a file system of its own. */
  async acquire(name: string, containerId: string): Promise<string> {
    const { options } = this.#get(name)
    const users = this.#active.get(name) ?? new Set()
    if (users.size === 0 && options['device'] !== undefined) this.#options.mounts.mount(options['device'], this.#data(name), options['type'] ?? 'none', options['o'] ?? '')
    this.#active.set(name, users.add(containerId))
    return this.#data(name)
  }

  /** For a container that was found running: the volume is mounted already. */
  adopt(name: string, containerId: string): void { this.#active.set(name, (this.#active.get(name) ?? new Set()).add(containerId)) }

  async release(name: string, containerId: string): Promise<void> {
    const users = this.#active.get(name)
    if (users === undefined || !users.delete(containerId) || users.size > 0) return
    this.#active.delete(name)
    if (this.#records.get(name)?.options['device'] !== undefined) await this.#options.mounts.unmount(this.#data(name))
  }

  /** Fills an empty volume from a directory of the image, owner and mode included. */
  async copyUp(name: string, source: string): Promise<void> {
    const target = this.#data(name)
    if (!existsSync(source) || (await readdir(target)).length > 0) return
    const from = await stat(source)
    if (!from.isDirectory()) return
    for (const entry of await readdir(source)) await cp(join(source, entry), join(target, entry), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
    await copyOwners(source, target)
  }

  #json(record: VolumeRecord): Volume {
    return { CreatedAt: record.createdAt, Driver: 'local', Labels: record.labels, Mountpoint: this.#data(record.name), Name: record.name, Options: Object.keys(record.options).length === 0 ? null : record.options, Scope: 'local' }
  }

  #get(name: string): VolumeRecord {
    const record = this.#records.get(name)
    if (record === undefined) throw new ShoalError('not-found', 'no-such-volume', `get ${name}: no such volume`)
    return record
  }

  #data(name: string): string { return join(this.#options.root, name, '_data') }
  #recordPath(name: string): string { return join(this.#options.root, name, 'volume.json') }
}

/** cp keeps modes and times, not owners. */
async function copyOwners(source: string, target: string): Promise<void> {
  const from = await stat(source)
  await chown(target, from.uid, from.gid)
  await chmod(target, from.mode & 0o7777)
  for (const entry of await readdir(source, { withFileTypes: true })) {
    if (entry.isDirectory()) await copyOwners(join(source, entry.name), join(target, entry.name))
    else if (entry.isFile()) {
      const { uid, gid, mode } = await stat(join(source, entry.name))
      await chown(join(target, entry.name), uid, gid)
      await chmod(join(target, entry.name), mode & 0o7777)
    }
  }
}

/** What cannot be missing in a record that we wrote. */
function isRecordOf(record: Partial<VolumeRecord>, name: string): boolean {
  return record.name === name && typeof record.createdAt === 'string' && [record.labels, record.options].every(part => typeof part === 'object' && part !== null)
}
