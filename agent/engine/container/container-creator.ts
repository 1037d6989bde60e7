import { stat } from 'node:fs/promises'
import type { HostConfig, Volume } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import { makeDirectory } from '../durable-file.ts'
import type { CreateContainerRequest } from '../engine.ts'
import type { ImageStore, StoredImage } from '../image/image-store.ts'
import type { ContainerNetworks } from '../network/container-networks.ts'
import { resolveInRoot } from '../runtime/path-in-root.ts'
import type { Snapshotter } from '../snapshot/snapshotter.ts'
import { mayBeInImage } from '../volume/image-path.ts'
import type { LocalVolumes } from '../volume/local-volumes.ts'
import type { Container } from './container.ts'
import { checkName, completeHostConfig, mergeConfig, validateCreate } from './container-create.ts'
import { withDefaults, type ContainerDefaults } from './container-defaults.ts'
import { mountRequests, type MountRequest } from './container-mounts.ts'
import type { HostFacts } from './host-facts.ts'
import { bridgeLinks } from './link-environment.ts'
import { withMainAddress } from './main-endpoint.ts'
import { checkPlatform } from './platform.ts'
import { checkWorkingDirectory } from './working-directory.ts'
import { generateName } from './container-names.ts'
import { NEW_STATE, type ContainerMount, type ContainerRecord } from './container-record.ts'
import type { ContainerTable } from './container-table.ts'
import { isoTime } from './container-runner.ts'
import { checkLogOptions } from '../log/log-options.ts'
import { networkedContainer } from './networked-container.ts'

export interface CreatorOptions {
  readonly table: ContainerTable
  readonly images: ImageStore
  readonly volumes: LocalVolumes
  readonly snapshotter: Snapshotter
  readonly networks: ContainerNetworks
  readonly clock: Clock
  readonly random: Random
  /** Asked at each create: what is the default runtime may change. */
  readonly facts: () => HostFacts
  readonly hostname: string
  readonly defaultLog: DefaultLog
  readonly defaults: () => ContainerDefaults
}

/** The daemon's --log-driver and --log-opt. */
export interface DefaultLog { readonly driver: string; readonly options: Readonly<Record<string, string>> }

/** Turns a request into a container on disk. Nothing is left behind when it fails. */
export class ContainerCreator {
  readonly #options: CreatorOptions

  constructor(options: CreatorOptions) { this.#options = options }

  get facts(): HostFacts { return this.#options.facts() }

  async create(request: CreateContainerRequest): Promise<{ readonly container: Container; readonly warnings: readonly string[] }> {
    const name = request.name === undefined || request.name === '' ? undefined : checkName(request.name)
    const { image, unpin } = await this.#pinned(request.config.Image ?? '')
    try {
      return await this.#create(request, image, name)
    } finally {
      await unpin()
    }
  }

  /** Its layers stay until the container has them, whoever removes the image meanwhile. @throws `no-such-image` (not-found) */
  async #pinned(ref: string): Promise<{ readonly image: StoredImage; readonly unpin: () => Promise<void> }> {
    const { images } = this.#options
    const image = images.get(ref)
    const unpin = await images.pin(image.diffIds)
    // It may have gone before the pin held.
    if (images.find(image.id) !== undefined) return { image, unpin }
    await unpin()
    throw new ShoalError('not-found', 'no-such-image', `No such image: ${ref}`)
  }

  async #create(request: CreateContainerRequest, image: StoredImage, name: string | undefined): Promise<{ readonly container: Container; readonly warnings: readonly string[] }> {
    const { table, images, random } = this.#options
    const { facts } = this
    checkPlatform(request.platform ?? '', request.config.Image ?? '', image.file)
    const merged = mergeConfig(request.config, image.file.config ?? {})
    const { host: checked, warnings } = validateCreate(merged, completeHostConfig(withDefaults(withDefaultLog(request.hostConfig ?? {}, this.#options.defaultLog), this.#options.defaults()), facts), facts)
    const hostConfig = this.#withIds(checked)
    checkLogOptions(hostConfig.LogConfig?.Type ?? '', hostConfig.LogConfig?.Config ?? {})
    await checkWorkingDirectory(merged.WorkingDir ?? '', image.diffIds.map(diffId => images.layers.directory(diffId)).reverse())
    const id = createHexId(random)
    const config = { ...merged, Hostname: this.#hostname(merged.Hostname, hostConfig.NetworkMode, hostConfig.UTSMode, id) }
    const chosen = name ?? generateName(random, taken => table.hasName(taken))
    table.reserve(chosen, id)
    try {
      const base = { id, name: chosen, config, hostConfig, endpoints: withMainAddress(request.networkingConfig?.EndpointsConfig ?? {}, hostConfig.NetworkMode ?? 'default', config.MacAddress ?? '') }
      await this.#options.networks.validate(networkedContainer(base))
      const mounts = await this.#mounts([...mountRequests(hostConfig, Object.keys(config.Volumes ?? {}), request.shallowReadOnly)], hostConfig.VolumesFrom ?? [], id)
      const record: ContainerRecord = {
        ...base, created: isoTime(this.#options.clock.nowMs()), imageId: image.id, diffIds: image.diffIds, mounts, state: NEW_STATE, restartCount: 0, stoppedByUser: false,
      }
      const layers = image.diffIds.map(diffId => images.layers.directory(diffId))
      await this.#options.snapshotter.prepare(id, layers)
      await this.#fillVolumes(record, layers)
      return { container: await table.add(record), warnings }
    } catch (error) {
      table.release(chosen)
      await this.#options.snapshotter.remove(id)
      await this.#options.volumes.removeOwned(id)
      throw error
    } finally {
      this.#options.volumes.letGo(id)
    }
  }

  /** Volumes begin with what the image has in their place. */
  async #fillVolumes(record: ContainerRecord, layers: readonly string[]): Promise<void> {
    const { snapshotter, volumes } = this.#options
    for (const mount of record.mounts) {
      if (!mount.copyUp || mount.Name === undefined || !await mayBeInImage(layers, mount.Destination)) continue
      const borrowed = await snapshotter.borrow(record.id, layers)
      try {
        await volumes.copyUp(mount.Name, await resolveInRoot(borrowed.root, mount.Destination))
      } finally {
        await borrowed[Symbol.asyncDispose]()
      }
    }
  }

  /** What names another container names it by its id from now on, so that a new name for it changes nothing. */
  #withIds(host: HostConfig): HostConfig {
    const { table } = this.#options
    const idOf = (mode: string | undefined, find: (ref: string) => Container | undefined): string | undefined => {
      if (mode === undefined || !mode.startsWith('container:')) return mode
      return `container:${find(mode.slice('container:'.length))?.id ?? mode.slice('container:'.length)}`
    }
    const links = bridgeLinks({ hostConfig: host }).map(({ target, alias }) => {
      const found = table.find(target)
      if (found === undefined) throw new ShoalError('invalid-argument', 'no-such-container', `could not get container for ${target}: No such container: ${target}`)
      return `${found.id}:${alias}`
    })
    return {
      ...host, ...(links.length === 0 ? {} : { Links: links }), ...(host.NetworkMode === undefined ? {} : { NetworkMode: idOf(host.NetworkMode, ref => table.find(ref)) ?? '' }),
      ...(host.IpcMode === undefined ? {} : { IpcMode: idOf(host.IpcMode, ref => table.get(ref)) ?? '' }), ...(host.PidMode === undefined ? {} : { PidMode: idOf(host.PidMode, ref => table.get(ref)) ?? '' }),
    }
  }

  #hostname(asked: string | undefined, network: string | undefined, uts: string | undefined, id: string): string {
    if (asked !== undefined && asked !== '') return asked
    return network === 'host' || uts === 'host' ? this.#options.hostname : id.slice(0, 12)
  }

  async #mounts(requests: readonly MountRequest[], from: readonly string[], containerId: string): Promise<readonly ContainerMount[]> {
    const mounts: ContainerMount[] = []
    for (const request of requests) mounts.push(await this.#mount(request, containerId))
    const targets = new Set(mounts.map(mount => mount.Destination))
    return [...mounts, ...from.flatMap(ref => this.#mountsOf(ref)).filter(mount => !targets.has(mount.Destination))]
  }

  /** --volumes-from NAME[:ro] */
  #mountsOf(ref: string): readonly ContainerMount[] {
    const [name = '', mode = 'rw'] = ref.split(':')
    if (ref === '') throw new ShoalError('invalid-argument', 'invalid-mount', 'volumes-from specification cannot be an empty string')
    return this.#options.table.get(name).record.mounts.filter(mount => mount.Type !== 'tmpfs').map(mount => ({ ...mount, Mode: '', RW: mount.RW && mode !== 'ro', copyUp: false, anonymous: false }))
  }

  async #mount(request: MountRequest, containerId: string): Promise<ContainerMount> {
    switch (request.kind) {
      case 'tmpfs':
        return { Type: 'tmpfs', Source: '', Destination: request.target, Mode: '', RW: !request.readOnly, Propagation: '', copyUp: false, anonymous: false, recursive: false, tmpfsOptions: request.options }
      case 'bind':
        await prepareSource(request.source, request.createSource)
        return { Type: 'bind', Source: request.source, Destination: request.target, Mode: request.mode, RW: !request.readOnly, Propagation: request.propagation, copyUp: false, anonymous: false, recursive: request.recursive,
          ...(request.readOnlyReach === undefined ? {} : { readOnlyReach: request.readOnlyReach }) }
      case 'image': {
        const image = this.#options.images.get(request.image)
        return { Type: 'image', Name: request.image, Source: request.image, Destination: request.target, Mode: '', RW: false, Propagation: '', copyUp: false, anonymous: false, recursive: true,
          image: { id: image.id, diffIds: image.diffIds }, ...(request.subpath === undefined ? {} : { subpath: request.subpath }) }
      }
      case 'volume': {
        const volume = await this.#volume(request, containerId)
        return {
          Type: 'volume', Name: volume.Name, Source: volume.Mountpoint ?? '', Destination: request.target, Driver: volume.Driver ?? 'local', Mode: request.mode, RW: !request.readOnly, Propagation: '',
          copyUp: !request.noCopy, anonymous: request.name === undefined, recursive: true, ...(request.subpath === undefined ? {} : { subpath: request.subpath }),
        }
      }
    }
  }

  #volume(request: Extract<MountRequest, { readonly kind: 'volume' }>, containerId: string): Promise<Volume> {
    const unlessEmpty = (map: Readonly<Record<string, string>>): Readonly<Record<string, string>> | null => (Object.keys(map).length === 0 ? null : map)
    return this.#options.volumes.create({ Name: request.name, Driver: request.driver, DriverOpts: unlessEmpty(request.options), Labels: unlessEmpty(request.labels) }, containerId)
  }
}

/** The default's options count only for its own driver. */
function withDefaultLog(host: HostConfig, fallback: DefaultLog): HostConfig {
  const { Type: type = '', Config: options } = host.LogConfig ?? {}
  const driver = type === '' ? fallback.driver : type
  return { ...host, LogConfig: { Type: driver as 'json-file', Config: { ...(driver === fallback.driver ? fallback.options : {}), ...options } } }
}

/** -v makes a missing source directory, --mount refuses it. */
async function prepareSource(path: string, create: boolean): Promise<void> {
  if (create) {
    await makeDirectory(path)
    return
  }
  await stat(path).catch((cause: unknown) => {
    throw new ShoalError('invalid-argument', 'invalid-mount', `invalid mount config for type "bind": bind source path does not exist: ${path}`, { cause })
  })
}
