import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import type { IdMapping } from '../kernel/id-mapping.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { LocalBuilder } from './build/local-builder.ts'
import { createConnectableContainers } from './container/connectable-containers.ts'
import { Container } from './container/container.ts'
import { NO_DEFAULTS, type ContainerDefaults } from './container/container-defaults.ts'
import { commitContainer } from './container/commit-container.ts'
import { ContainerLogs } from './container/container-logs.ts'
import { ContainerFiles } from './container/container-files.ts'
import { ContainerCreator, type DefaultLog } from './container/container-creator.ts'
import { isUp } from './container/container-record.ts'
import { ContainerRunner } from './container/container-runner.ts'
import { ContainerTable } from './container/container-table.ts'
import { readHostFacts, type HostFacts } from './container/host-facts.ts'
import { HealthMonitor } from './container/health-monitor.ts'
import { Lifecycle } from './container/lifecycle.ts'
import { LocalContainers } from './container/local-containers.ts'
import { LocalExecs } from './container/local-execs.ts'
import { restoreContainers } from './container/restore.ts'
import type { Containers, Engine, Images, Networks } from './engine.ts'
import { EventLog } from './event-log.ts'
import { makeDirectory } from './durable-file.ts'
import { closeMappedFolders, MappedFolders, type MappedFoldersOptions } from './files/mapped-folders.ts'
import { ImageStore, type StoredImage } from './image/image-store.ts'
import { LayerStore } from './image/layer-store.ts'
import type { ImageUse } from './image/image-json.ts'
import { LocalImages } from './image/local-images.ts'
import type { ConnectableContainers, ContainerNetworks } from './network/container-networks.ts'
import { NoneNetworks } from './network/none-networks.ts'
import { LayerDownloads } from './registry/layer-downloads.ts'
import { NameLookup } from './registry/name-lookup.ts'
import { Registries } from './registry/registries.ts'
import { DEFAULT_REGISTRY_CONFIG, type RegistryConfig } from './registry/registry-config.ts'
import { RegistryImages } from './registry/registry-images.ts'
import { Launcher } from './runtime/launcher.ts'
import { checkMonitor } from './runtime/monitor-version.ts'
import { chooseRuntimes, type OciRuntime } from './runtime/oci-runtime.ts'
import { CopySnapshotter } from './snapshot/copy-snapshotter.ts'
import { OverlaySnapshotter } from './snapshot/overlay-snapshotter.ts'
import { LocalVolumes } from './volume/local-volumes.ts'
import { SubpathMounts } from './volume/subpath-mounts.ts'
import type { PluginFolders } from './volume/volume-plugins.ts'

export interface LocalEngineOptions {
  /** Everything that lasts: images, containers, volumes. */
  readonly dataRoot: string
  /** Bundles, sockets and exit files of what runs; at most 50 characters. Lost with a reboot, and may be. */
  readonly execRoot: string
  /** Absolute cgroup path, e.g. "/shoal". */
  readonly cgroupParent: string
  /** The program built in agent/monitor. */
  readonly monitorPath: string
  readonly kernel: Kernel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Both sides of networking; without it only the modes none and host work. */
  readonly networks?: (parts: NetworkParts) => Promise<EngineNetworking> | EngineNetworking
  /** Default overlay. */
  readonly snapshotter?: 'overlay' | 'copy'
  /** Tried in this order; default crun, runc. */
  readonly runtimes?: readonly ('crun' | 'runc')[]
  /** For containers that name no log driver; json-file without options. */
  readonly defaultLog?: DefaultLog
  /** Told of each health check of a container. */
  readonly onHealthCheck?: (failed: boolean) => void
  /** For containers that do not say; asked at each create. */
  readonly containerDefaults?: () => ContainerDefaults
  /** The runtime of containers that name none, asked at each create; '' or one that is not installed: the standard one. */
  readonly defaultRuntime?: () => string
  /** How registries are reached, asked anew each time. Default: Docker Hub and others by TLS, loopback also without. */
  readonly registries?: () => RegistryConfig
  /** Who is asked for the addresses of registries; the host's resolver when absent. */
  readonly names?: NameLookup
  /** Where volume plugins are looked for. Default: Docker's own places. */
  readonly pluginFolders?: PluginFolders
  /** Containers have user namespaces of this mapping, but for those that ask for the host's. */
  readonly idMapping?: IdMapping | undefined
  /** "amd64", "arm64". Default: this machine's. */
  readonly architecture?: string
}

/** What the engine offers to its network side. */
export interface NetworkParts {
  readonly events: EventLog
  /** For connect and disconnect; asked only after the engine is open. */
  readonly connectable: () => ConnectableContainers
}

export interface EngineNetworking { readonly containers: ContainerNetworks; readonly networks: Networks }

/** The engine of this host, and what its composition root needs of it besides. */
export interface LocalEngine extends Engine {
  readonly containers: Required<Containers>
  readonly images: Images & Required<Pick<Images, 'commit' | 'layersBytes' | 'pull' | 'push' | 'distribution' | 'login' | 'search' | 'importFrom'>>
  /** That of containers which name none. */
  readonly runtime: OciRuntime
  /** What --runtime takes. */
  readonly runtimeNames: readonly string[]
  readonly storageDriver: string
  /** That of containers, unless they ask for the host's. */
  readonly idMapping: IdMapping | undefined
  /** Names of the volume drivers in use. */
  readonly volumeDrivers: () => readonly string[]
  readonly eventLog: EventLog
  readonly imageStore: ImageStore
  readonly builder: LocalBuilder
  /** Takes over what ran before, finishes what was half done, starts what restart policies want. Once, before the first request. */
  restore(): Promise<void>
}

/** Opens the engine's state on disk. Disposing leaves containers running. */
export async function createLocalEngine(options: LocalEngineOptions): Promise<LocalEngine> {
  const { kernel, clock, random, logger, dataRoot } = options
  const architecture = options.architecture ?? (process.arch === 'x64' ? 'amd64' : process.arch)
  await mkdir(dataRoot, { recursive: true, mode: 0o711 })
  await mkdir(options.execRoot, { recursive: true, mode: 0o711 })
  const runtimes = await chooseRuntimes(kernel, options.runtimes)
  await checkMonitor(kernel, options.monitorPath)
  const launcher = new Launcher({ kernel, clock, runtimes, monitorPath: options.monitorPath, execRoot: options.execRoot })
  const events = new EventLog(clock)
  const tasks = new TaskGroup(logger)
  const images = new ImageStore(join(dataRoot, 'images'), new LayerStore(join(dataRoot, 'layers'), kernel, random), logger, diffId => table.all().some(({ record }) => record.diffIds.includes(diffId)))
  const table = new ContainerTable(join(dataRoot, 'containers'), logger)
  const snapshotRoot = join(dataRoot, 'snapshots')
  const snapshotter = options.snapshotter === 'copy' ? new CopySnapshotter(snapshotRoot) : new OverlaySnapshotter(snapshotRoot, kernel.mounts)
  const usersOf = (volume: string): readonly string[] => table.all().filter(container => container.record.mounts.some(mount => mount.Type === 'volume' && mount.Name === volume)).map(container => container.id)
  const volumes = new LocalVolumes({ root: join(dataRoot, 'volumes'), logger, mounts: kernel.mounts, events, clock, random, usersOf, ...(options.pluginFolders === undefined ? {} : { pluginFolders: options.pluginFolders }) })
  const subpaths = new SubpathMounts(join(options.execRoot, 'subpaths'), kernel.mounts)
  const downloads = new LayerDownloads(join(dataRoot, 'downloads'), clock)
  await Promise.all([images.open(), downloads.open(), table.open(), volumes.open(), subpaths.open()])
  const idmapRoot = join(options.execRoot, 'idmap')
  await closeMappedFolders(idmapRoot, kernel.mounts)
  const mapped = options.idMapping === undefined ? undefined : await openMappedFolders(options.idMapping, { root: idmapRoot, dataRoot, mounts: kernel.mounts })
  const registries = new Registries({ config: options.registries ?? (() => DEFAULT_REGISTRY_CONFIG), lookup: options.names ?? new NameLookup(), clock })

  const connectable = createConnectableContainers(table)
  const none = new NoneNetworks()
  const networking = await options.networks?.({ events, connectable: () => connectable }) ?? { containers: none, networks: none }
  const logs = new ContainerLogs({ table, launcher, kernel, clock, logger, tasks })
  const runner = new ContainerRunner({
    table, logs, images, volumes, subpaths, snapshotter, launcher, networks: networking.containers, kernel, events, clock, logger, cgroupParent: options.cgroupParent, architecture, monitorPath: options.monitorPath, mapped,
  })
  const publish = (container: Container, action: string, more: Readonly<Record<string, string>> = {}): void => runner.publish(container, action, more)
  const execs = new LocalExecs({ table, launcher, kernel, random, tasks, publish })
  const health = new HealthMonitor({ clock, publish, onCheck: options.onHealthCheck, probe: (container, command, signal) => execs.run(container, command, signal) })
  const lifecycle = new Lifecycle({ runner, health, logs, table, volumes, snapshotter, kernel, events, clock, logger, tasks, onRemoved: container => {
    execs.forget(container)
    const { imageId, diffIds } = container.record
    // Its image may have been removed before it, by force.
    if (images.find(imageId) === undefined) tasks.run('drop layers', async () => { await images.dropLayers(diffIds) })
  } })
  const runtimeNames = [runtimes.standard.name, ...[...runtimes.byName.keys()].filter(name => name !== runtimes.standard.name)]
  const machine = readHostFacts(kernel, runtimeNames, mapped !== undefined)
  const facts = (): HostFacts => ({ ...machine, runtimes: [options.defaultRuntime?.() ?? '', ...runtimeNames].filter((name, at, all) => runtimeNames.includes(name) && all.indexOf(name) === at) })
  const creator = new ContainerCreator({ table, images, volumes, snapshotter, networks: networking.containers, clock, random, facts, hostname: hostname(), defaultLog: options.defaultLog ?? { driver: 'json-file', options: {} }, defaults: options.containerDefaults ?? (() => NO_DEFAULTS) })
  const files = new ContainerFiles({ table, volumes, snapshotter, kernel, layersOf: container => runner.layers(container), mappedOf: container => runner.mapped(container.record) })
  const containers = new LocalContainers({ files, logs, table, images, snapshotter, launcher, networks: networking.containers, kernel, clock, lifecycle, creator, tasks })
  const graphDriver = (image: StoredImage): { readonly Name: string; readonly Data: Readonly<Record<string, string>> } => ({
    Name: snapshotter.driver, Data: { LowerDir: image.diffIds.slice(0, -1).reverse().map(diffId => images.layers.directory(diffId)).join(':'), UpperDir: image.diffIds.length === 0 ? '' : images.layers.directory(image.diffIds.at(-1) ?? '') },
  })
  const localImages: LocalImages = new LocalImages({
    store: images, events, clock, architecture, graphDriver, usesOf: id => usesOf(table, id, builder.userOf(id)),
    pruneDownloads: () => downloads.prune(), registry: new RegistryImages({ store: images, downloads, registries, events, clock, platform: { os: 'linux', architecture } }),
    committing: (request, work, name) => commitContainer({ table, files, lifecycle }, request, work, name),
  })
  const builder: LocalBuilder = new LocalBuilder({ containers, images: localImages, store: images, snapshotter, kernel, clock, random, architecture, root: join(dataRoot, 'build'), mapped })
  return {
    runtime: runtimes.standard, runtimeNames, storageDriver: snapshotter.driver, idMapping: mapped?.ids, volumeDrivers: () => volumes.driverNames(), eventLog: events, imageStore: images,
    containers, execs, volumes, events, networks: networking.networks,
    images: localImages, builder,
    restore: async () => {
      await restoreContainers({ table, logs, launcher, lifecycle, networks: networking.containers, snapshotter, volumes, execs, kernel, logger, execRoot: options.execRoot })
      await builder.restore()
      // A container that cannot be read may need any layer.
      if (table.damagedIds.size === 0) await images.sweep()
    },
    [Symbol.asyncDispose]: async () => {
      lifecycle.stopWatching()
      execs.stopWatching()
      await tasks[Symbol.asyncDispose]()
      await mapped?.[Symbol.asyncDispose]()
    },
  }
}

/** All that containers see of the data root. */
async function openMappedFolders(ids: IdMapping, options: Omit<MappedFoldersOptions, 'folders'>): Promise<MappedFolders> {
  const folders = ['layers', 'snapshots', 'volumes', 'containers', 'build']
  for (const folder of folders) await makeDirectory(join(options.dataRoot, folder))
  return await MappedFolders.open(ids, { ...options, folders })
}

/** A build needs the images of its stages as a container that runs needs its own. */
function usesOf(table: ContainerTable, imageId: string, build: string | undefined): ImageUse {
  const users = table.all().filter(({ record }) => record.imageId === imageId || record.mounts.some(mount => mount.image?.id === imageId))
  return { running: users.find(user => isUp(user.state))?.id ?? build, stopped: users.find(user => !isUp(user.state))?.id, count: users.length + (build === undefined ? 0 : 1) }
}
