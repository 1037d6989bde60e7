import type { Volume, VolumeCreateOptions } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { KernelMounts } from '../../kernel/kernel.ts'
import type { Filters, Volumes } from '../engine.ts'
import type { EventLog } from '../event-log.ts'
import { booleanFilter, checkFilters, matchesPruneLabels } from '../filters.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { diskUsage } from '../snapshot/disk-usage.ts'
import { copyUp, fillAtOnce, wantsCopyUp } from './copy-up.ts'
import { LocalDriver } from './local-driver.ts'
import { isMountedVolume } from './local-options.ts'
import type { DriverVolume, VolumeDriver } from './volume-driver.ts'
import { volumeFilter } from './volume-filters.ts'
import { checkVolumeName } from './volume-name.ts'
import { VolumePlugins, type PluginFolders } from './volume-plugins.ts'
import { VolumeRecords, type VolumeRecord } from './volume-records.ts'

export interface LocalVolumesOptions {
  readonly root: string
  readonly logger: Logger
  readonly mounts: KernelMounts
  readonly events: EventLog
  readonly clock: Clock
  readonly random: Random
  /** Containers, running or not, that have this volume. */
  readonly usersOf: (name: string) => readonly string[]
  /** Where plugins are looked for; Docker's own places by default. */
  readonly pluginFolders?: PluginFolders
}

/** Where a container sees a volume, for the event of its mount. */
export interface MountPlace { readonly destination: string; readonly writable: boolean }

/** Set by clients on volumes that they made without a name. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous'

/** The volumes of this host: those of the driver `local`, and those that plugins keep. */
export class LocalVolumes implements Volumes {
  readonly #options: LocalVolumesOptions
  readonly #records: VolumeRecords
  readonly #local: LocalDriver
  readonly #plugins: VolumePlugins
  readonly #locks = new KeyedMutex()
  /** Who has a volume mounted, and where it is on the host: volume -> user -> path. */
  readonly #active = new Map<string, Map<string, string>>()
  /** Containers that are being created with a volume and are not in the table yet: volume -> containers. */
  readonly #claims = new Map<string, Set<string>>()

  constructor(options: LocalVolumesOptions) {
    this.#options = options
    this.#records = new VolumeRecords(options)
    this.#local = new LocalDriver(options.root, options.mounts)
    this.#plugins = new VolumePlugins({ clock: options.clock, ...(options.pluginFolders === undefined ? {} : { folders: options.pluginFolders }) })
  }

  /** Reads what is on disk. */
  async open(): Promise<void> { await this.#records.open() }

  /** Names of all drivers that can be used now. */
  driverNames(): readonly string[] { return ['local', ...this.#plugins.names()] }

  /** Removes the anonymous volumes of containers that are not there: their create or their removal was cut off. */
  async retain(containerIds: ReadonlySet<string>): Promise<void> {
    const owners = new Set(this.#records.all().flatMap(record => record.owner ?? []))
    for (const owner of owners) if (!containerIds.has(owner)) await this.removeOwned(owner)
  }

  /** The anonymous volumes of a container stay when it goes. */
  async disown(containerId: string): Promise<void> {
    for (const record of this.#records.ownedBy(containerId)) await this.#records.save({ ...record, owner: undefined })
  }

  /** Removes the anonymous volumes of a container that is gone; what others have got from it stays. */
  async removeOwned(containerId: string): Promise<void> {
    for (const record of this.#records.ownedBy(containerId)) {
      if (this.#usersOf(record.name).some(user => user !== containerId)) await this.#records.save({ ...record, owner: undefined })
      else await this.#locks.run(record.name, () => this.#removeNow(record, true))
    }
  }

  /**
   * Again with the same name: the one that is there.
   * @param container for which it is made: an anonymous volume goes with it, any is kept from removal until letGo(container)
   */
  async create(options: VolumeCreateOptions, container?: string): Promise<Volume> {
    const anonymous = options.Name === undefined || options.Name === ''
    const name = anonymous ? createHexId(this.#options.random) : options.Name ?? ''
    return this.#locks.run(name, async () => {
      const known = this.#records.find(name)
      const wanted = options.Driver ?? ''
      const driver = await this.#driver(wanted === '' ? known?.driver ?? 'local' : wanted, `create ${name}: `)
      const record = known ?? await this.#createNow(driver, { name, anonymous, ...(anonymous && container !== undefined ? { owner: container } : {}) }, options)
      if ((record.driver ?? 'local') !== driver.name) throw new ShoalError('conflict', 'volume-name-taken', `create ${name}: driver '${record.driver ?? 'local'}' already has volume '${name}': volume name must be unique`)
      if (container !== undefined) this.#claims.set(name, (this.#claims.get(name) ?? new Set()).add(container))
      return this.#json(record, await this.#described(record))
    })
  }

  async #createNow(driver: VolumeDriver, base: Pick<VolumeRecord, 'name' | 'anonymous' | 'owner'>, { DriverOpts: options = null, Labels = null }: VolumeCreateOptions): Promise<VolumeRecord> {
    checkVolumeName(base.name)
    const record: VolumeRecord = {
      ...base, createdAt: new Date(this.#options.clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z'), options, labels: base.anonymous ? { ...Labels, [ANONYMOUS_LABEL]: '' } : Labels,
      ...(driver.name === 'local' ? {} : { driver: driver.name }),
    }
    // A plugin may know it from another host.
    if (driver.name === 'local' || await driver.find(base.name) === undefined) await driver.create(base.name, options ?? {})
    await this.#records.save(record)
    this.#options.events.publish('volume', 'create', base.name, { driver: driver.name })
    return record
  }

  /** The container is in the table now, or will never be. */
  letGo(container: string): void {
    for (const [name, containers] of this.#claims) {
      containers.delete(container)
      if (containers.size === 0) this.#claims.delete(name)
    }
  }

  async inspect(name: string): Promise<Volume> {
    const record = this.#records.find(name)
    if (record !== undefined) return this.#json(record, await this.#described(record))
    const found = await this.#plugins.find(name)
    if (found === undefined) throw noSuchVolume(name)
    return this.#json(foreign(found.volume, found.driver), found.volume)
  }

  async list(filters: Filters = {}, options: { readonly size?: boolean } = {}): Promise<{ readonly Volumes: readonly Volume[]; readonly Warnings: readonly string[] }> {
    const matches = volumeFilter(filters, name => this.#usersOf(name).length > 0)
    const { volumes, warnings } = options.size === true ? { volumes: [], warnings: [] } : await this.#plugins.list()
    const records = this.#records.all()
    const foreigners = volumes.filter(({ volume }) => this.#records.find(volume.name) === undefined).map(({ driver, volume }) => foreign(volume, driver))
    const mountpoints = new Map(volumes.map(({ volume }) => [volume.name, volume]))
    const found = [...records, ...foreigners].filter(matches)
    if (options.size !== true) return { Volumes: found.map(record => this.#json(record, mountpoints.get(record.name))), Warnings: warnings }
    const measured = found.filter(record => record.driver === undefined).map(async record => ({
      ...this.#json(record), UsageData: { Size: await diskUsage(this.#local.data(record.name)), RefCount: this.#usersOf(record.name).length },
    }))
    return { Volumes: await Promise.all(measured), Warnings: [] }
  }

  /** @param force one that is not there is fine, and one whose plugin fails is forgotten */
  async remove(name: string, force: boolean): Promise<void> {
    await this.#locks.run(name, async () => {
      const record = this.#records.find(name) ?? await this.#foreignRecord(name, force)
      if (record === undefined) return
      const users = this.#usersOf(name)
      if (users.length > 0) throw new ShoalError('conflict', 'volume-in-use', `remove ${name}: volume is in use - [${users.join(', ')}]`)
      await this.#removeNow(record, force)
    })
  }

  async #foreignRecord(name: string, force: boolean): Promise<VolumeRecord | undefined> {
    const found = await this.#plugins.find(name)
    if (found !== undefined) return foreign(found.volume, found.driver)
    if (force) return undefined
    throw noSuchVolume(name)
  }

  async #removeNow(record: VolumeRecord, force: boolean): Promise<void> {
    const name = record.driver ?? 'local'
    try {
      await (await this.#driver(name, `remove ${record.name}: `)).remove(record.name)
    } catch (error) {
      if (!force) throw error
      this.#options.logger.warn('a volume is forgotten whose driver could not remove it', { volume: record.name, driver: name, reason: messageOf(error) })
    }
    if (this.#records.find(record.name) !== undefined) await this.#records.remove(record.name)
    this.#options.events.publish('volume', 'destroy', record.name, { driver: name })
  }

  async prune(filters: Filters): Promise<{ readonly VolumesDeleted: readonly string[]; readonly SpaceReclaimed: number }> {
    checkFilters(filters, ['all', 'label', 'label!'])
    const all = booleanFilter(filters, 'all') === true
    const deleted: string[] = []
    let bytes = 0
    for (const record of this.#records.all()) {
      const isWanted = record.driver === undefined && (all || ANONYMOUS_LABEL in (record.labels ?? {})) && matchesPruneLabels(filters, record.labels)
      if (!isWanted) continue
      await this.#locks.run(record.name, async () => {
        // Looked at again under the lock: a container may just have been given it.
        if (this.#records.find(record.name) === undefined || this.#usersOf(record.name).length > 0) return
        bytes += await diskUsage(this.#local.data(record.name))
        await this.#removeNow(record, true)
        deleted.push(record.name)
      })
    }
    this.#options.events.publish('volume', 'prune', '', { reclaimed: String(bytes) })
    return { VolumesDeleted: deleted, SpaceReclaimed: bytes }
  }

  /**
   * The host directory of a volume that a container starts with; mounts it if it is a file system of its own, or a plugin's.
   * @param place with it the mount is told of as an event
   */
  async acquire(name: string, user: string, place?: MountPlace): Promise<string> {
    return this.#locks.run(name, async () => {
      const record = this.#get(name)
      const users = this.#active.get(name) ?? new Map<string, string>()
      const path = users.get(user) ?? await this.#mount(record, user)
      this.#active.set(name, users.set(user, path))
      if (place !== undefined) this.#options.events.publish('volume', 'mount', name, { 'container': user, 'destination': place.destination, 'driver': record.driver ?? 'local', 'propagation': '', 'read/write': String(place.writable) })
      return path
    })
  }

  async #mount(record: VolumeRecord, user: string): Promise<string> {
    const driver = await this.#driver(record.driver ?? 'local', '')
    try {
      return await driver.mount(record.name, record.options ?? {}, user)
    } catch (cause) {
      const kind = cause instanceof ShoalError ? cause.kind : 'internal'
      throw new ShoalError(kind, 'volume-mount-failed', `error while mounting volume '${driver.name === 'local' ? this.#local.data(record.name) : ''}': ${messageOf(cause)}`, { cause })
    }
  }

  /** For a container that was found running: the volume is mounted already. */
  adopt(name: string, user: string, path: string): void {
    const record = this.#records.find(name)
    if (record === undefined) return
    this.#active.set(name, (this.#active.get(name) ?? new Map<string, string>()).set(user, path))
    if (record.driver === undefined) this.#local.adopt(name, record.options ?? {}, user)
  }

  /** After all that run were adopted, and before anything starts: what is mounted for nobody goes. */
  async settle(): Promise<void> { await this.#local.unmountUnused() }

  /** Never fails for a plugin's sake: a container ends whether its volume's plugin answers or not. @param isContainer tells of it as an event */
  async release(name: string, user: string, isContainer = false): Promise<void> {
    await this.#locks.run(name, async () => {
      const users = this.#active.get(name)
      const record = this.#records.find(name)
      if (users === undefined || !users.delete(user) || record === undefined) return
      if (users.size === 0) this.#active.delete(name)
      const driver = record.driver ?? 'local'
      if (driver === 'local') await this.#local.unmount(name, record.options ?? {}, user)
      else await this.#unmountPlugin(record, driver, user)
      if (isContainer) this.#options.events.publish('volume', 'unmount', name, { container: user, driver })
    })
  }

  async #unmountPlugin(record: VolumeRecord, driver: string, user: string): Promise<void> {
    try {
      await (await this.#driver(driver, '')).unmount(record.name, record.options ?? {}, user)
    } catch (error) {
      this.#options.logger.warn('a volume plugin did not unmount', { volume: record.name, driver, reason: messageOf(error) })
    }
  }

  /**
   * Fills an empty volume from a directory of an image, with owners and modes; a volume that holds anything stays as it is. A crash in between leaves a new one empty.
   * @param source host path that nothing changes meanwhile
   */
  async copyUp(name: string, source: string): Promise<void> {
    const user = `copy-${createHexId(this.#options.random).slice(0, 12)}`
    const target = await this.acquire(name, user)
    try {
      await this.#locks.run(name, async () => {
        if (!await wantsCopyUp(source, target)) return
        const record = this.#get(name)
        const isAlone = this.#active.get(name)?.size === 1
        if (record.driver === undefined && !isMountedVolume(record.options ?? {}) && isAlone) await fillAtOnce(source, target, this.#options.mounts)
        else await copyUp(source, target, this.#options.mounts)
      })
    } finally {
      await this.release(name, user)
    }
  }

  #usersOf(name: string): readonly string[] {
    const others = [...this.#active.get(name)?.keys() ?? [], ...this.#claims.get(name) ?? []]
    return [...new Set([...this.#options.usersOf(name), ...others])]
  }

  async #driver(name: string, prefix: string): Promise<VolumeDriver> {
    if (name === 'local') return this.#local
    try {
      return await this.#plugins.driver(name)
    } catch (error) {
      if (!(error instanceof ShoalError) || prefix === '') throw error
      throw new ShoalError(error.kind, error.code, `${prefix}${error.message}`, { cause: error })
    }
  }

  /** What its plugin tells of it, if that answers. */
  async #described(record: VolumeRecord): Promise<DriverVolume | undefined> {
    if (record.driver === undefined) return undefined
    return (await this.#driver(record.driver, `get ${record.name}: `)).find(record.name)
  }

  #json(record: VolumeRecord, described?: DriverVolume): Volume {
    const driver = record.driver === undefined ? this.#local : this.#plugins.known(record.driver)
    return {
      CreatedAt: record.createdAt, Driver: record.driver ?? 'local', Labels: record.labels, Name: record.name, Options: record.options, Scope: driver?.scope ?? 'local',
      Mountpoint: record.driver === undefined ? this.#local.data(record.name) : described?.mountpoint ?? '', ...(described?.status === undefined ? {} : { Status: described.status as Volume['Status'] }),
    }
  }

  #get(name: string): VolumeRecord {
    const record = this.#records.find(name)
    if (record === undefined) throw noSuchVolume(name)
    return record
  }
}

/** A volume that only its plugin knows. */
function foreign(volume: DriverVolume, driver: string): VolumeRecord {
  return { name: volume.name, driver, createdAt: volume.createdAt ?? '', labels: null, options: null, anonymous: false }
}

function noSuchVolume(name: string): ShoalError { return new ShoalError('not-found', 'no-such-volume', `get ${name}: no such volume`) }
