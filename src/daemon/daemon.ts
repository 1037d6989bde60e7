import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ContainerDefaults } from '../../agent/engine/container/container-defaults.ts'
import { CDI_FOLDERS } from '../../agent/engine/runtime/cdi.ts'
import { createLocalEngine, type LocalEngine } from '../../agent/engine/local-engine.ts'
import { createLocalNetworks } from '../../agent/engine/network/create-local-networks.ts'
import { DEFAULT_REGISTRY_CONFIG, type RegistryConfig } from '../../agent/engine/registry/registry-config.ts'
import { PlainAttachments } from '../../agent/exec/plain-attachments.ts'
import type { Kernel } from '../../agent/kernel/kernel.ts'
import { createLinuxKernel } from '../../agent/kernel/linux/linux-kernel.ts'
import { createLinuxNetworkKernel } from '../../agent/kernel/linux/linux-network-kernel.ts'
import { ShoalError, messageOf } from '../base/errors.ts'
import { createHexId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { createApiServer } from '../http/api-server.ts'
import { clusterInfoToJson } from '../http/convert/cluster.ts'
import { CryptoRandom } from '../platform/clock/crypto-random.ts'
import { SystemClock } from '../platform/clock/system-clock.ts'
import { LevelStore } from '../platform/storage/level-store.ts'
import { containerDefaults } from './container-defaults.ts'
import { createControlBackend } from './control-client.ts'
import type { DaemonConfig } from './daemon-config.ts'
import { listenOnHosts } from './listen.ts'
import type { LiveConfig } from './live-config.ts'
import type { DaemonMetrics } from './metrics/daemon-metrics.ts'
import { MetricsServer } from './metrics/metrics-server.ts'
import { proxiesOf } from './proxies.ts'
import { HostMoves } from './host-moves.ts'
import { createRecoveryBackend } from './recovery/recovery-backend.ts'
import { ScheduledBackups } from './recovery/scheduled-backups.ts'
import { reloadAttributes } from './reload-attributes.ts'
import { networkOptions } from './network-options.ts'
import { Staleness } from './staleness.ts'
import { StateFile } from './state-file.ts'
import { createSwarmBackend } from './swarm-backend.ts'
import { SwarmNode } from './swarm-node.ts'
import { createSystemBackend } from './system-backend.ts'
import { tlsInfoOf } from './tls-info.ts'
import { idMapping, readHostText } from './user-namespaces.ts'
import { VERSION } from './version.ts'

/** Everything that runs on one host, but for its manager and its containers. Built and started in order, disposed in reverse. */
export class Daemon implements AsyncDisposable {
  readonly #owned: AsyncDisposable[] = []

  /** @throws ShoalError when something it needs is missing or taken */
  static async start(live: LiveConfig, logger: Logger): Promise<Daemon> {
    const daemon = new Daemon()
    try {
      await daemon.#start(live, logger)
      return daemon
    } catch (error) {
      await daemon[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let part = this.#owned.pop(); part !== undefined; part = this.#owned.pop()) await part[Symbol.asyncDispose]()
  }

  #own<T extends AsyncDisposable>(part: T): T {
    this.#owned.push(part)
    return part
  }

  async #start(live: LiveConfig, logger: Logger): Promise<void> {
    const config = live.current
    const [clock, random] = [new SystemClock(), new CryptoRandom()]
    mkdirSync(config.dataRoot, { recursive: true, mode: 0o711 })
    mkdirSync(config.execRoot, { recursive: true, mode: 0o711 })
    const kv = this.#own(await claimDataRoot(config.dataRoot))
    const kernel = createLinuxKernel()
    const id = engineId(config.dataRoot, random)
    const attachments: PlainAttachments = new PlainAttachments({ clock, logger, containers: () => engine.containers })
    let metrics: DaemonMetrics | undefined
    const engine = this.#own(await createEngine(live, logger, { kernel, clock, random, attachments, onHealthCheck: failed => metrics?.healthCheck(failed) }))
    if (config.metricsAddress !== '') {
      // Only then: its library takes 6 MB.
      const { createEngineMetrics } = await import('./metrics/engine-metrics.ts')
      metrics = createEngineMetrics(engine, kernel, id)
      this.#own(await MetricsServer.listen(config.metricsAddress, metrics, logger))
    }
    const swarm = this.#own(new SwarmNode({
      dataFolder: config.dataRoot, execFolder: config.execRoot, logLevel: config.logLevel, raftTickMs: config.swarmRaftTickMs, clock, random, logger,
      // Only in a cluster.
      createAgent: async options => (await import('./node-agent.ts')).createNodeAgent({ engine, attachments, config: () => live.current, kv, clock, random, logger }, options),
    }))
    const swarmBackend = createSwarmBackend(swarm, config)
    const backups = this.#own(new ScheduledBackups({ schedule: () => live.current, manager: () => swarm.ownManager, clock, logger }))
    const moves = this.#own(new HostMoves({ host: swarm, names: () => live.current.swarmManagers, clock, logger }))
    const system = createSystemBackend({
      config: () => live.current, clock, kernel, engineId: id, runtime: engine.runtime.name, runtimes: engine.runtimeNames, backupFailure: () => backups.failure, hasUserNamespaces: engine.idMapping !== undefined, deviceFolders: CDI_FOLDERS, swarm, eventListeners: () => engine.eventLog.subscriberCount, volumeDrivers: engine.volumeDrivers, containers: engine.containers, images: engine.images, login: engine.images.login,
      clusterJson: object => (object.cluster === undefined ? undefined : clusterInfoToJson(object.cluster, tlsInfoOf(swarm.rootPem))),
    })
    const staleness = new Staleness()
    const server = this.#own(createApiServer({
      logger, clock, random, version: VERSION, experimental: config.experimental, corsOrigins: config.corsHeader, requestHeaders: signal => staleness.headers(signal),
      backends: {
        system, containers: metrics?.timedContainers(engine.containers) ?? engine.containers, execs: engine.execs, images: metrics?.timedImages(engine.images) ?? engine.images, builder: engine.builder, networks: metrics?.timedNetworks(engine.networks) ?? engine.networks, volumes: engine.volumes, events: engine.events,
        swarm: swarmBackend, recovery: createRecoveryBackend(swarm, clock),
        control: createControlBackend({ manager: () => swarm.manager(), failure: () => swarm.error, untilManagerAnswers: () => swarm.untilManagerAnswers(), staleness, clock, random }),
      },
    }))
    live.onReload(changed => engine.eventLog.publish('daemon', 'reload', id, reloadAttributes(changed)))
    await engine.restore()
    await swarm.restore()
    backups.start()
    moves.start()
    await listenOnHosts(server, config, process.env, logger)
    logger.info('the daemon is ready', { hosts: config.hosts, dataRoot: config.dataRoot, runtime: engine.runtime.name })
  }
}

/** The agent's store, which one process at a time can open: so nothing else below the data root is touched by two. */
async function claimDataRoot(dataRoot: string): Promise<LevelStore> {
  try {
    return await LevelStore.open(join(dataRoot, 'agent'))
  } catch (cause) {
    if (!/lock/i.test(messageOf(cause))) throw cause
    throw new ShoalError('failed-precondition', 'data-root-in-use', `another daemon uses ${dataRoot}; stop it first, or give this one another --data-root, --exec-root and --pidfile`, { cause })
  }
}

interface EngineParts {
  readonly kernel: Kernel
  readonly clock: SystemClock
  readonly random: CryptoRandom
  readonly attachments: PlainAttachments
  readonly onHealthCheck: (failed: boolean) => void
}

async function createEngine(live: LiveConfig, logger: Logger, { kernel, clock, random, attachments, onHealthCheck }: EngineParts): Promise<LocalEngine> {
  const config = live.current
  const networkKernel = createLinuxNetworkKernel()
  let known = { config, defaults: containerDefaults(config) }
  const defaultsOf = (now: DaemonConfig): ContainerDefaults => {
    if (now !== known.config) known = { config: now, defaults: containerDefaults(now) }
    return known.defaults
  }
  return createLocalEngine({
    dataRoot: config.dataRoot, execRoot: config.execRoot, cgroupParent: config.cgroupParent, kernel, clock, random, logger,
    monitorPath: fileURLToPath(new URL('../../../agent/monitor/shoal-monitor', import.meta.url)),
    defaultLog: { driver: config.logDriver, options: config.logOptions }, containerDefaults: () => defaultsOf(live.current), defaultRuntime: () => live.current.runtime, onHealthCheck,
    registries: () => registryConfig(live.current),
    idMapping: await idMapping(config.usernsRemap, { processes: kernel.processes, read: readHostText }),
    ...(config.runtime === '' ? {} : { runtimes: [config.runtime as 'crun' | 'runc'] }),
    networks: async ({ events, connectable }) => {
      const networks = await createLocalNetworks({
        kernel: networkKernel, execRoot: config.execRoot, dataRoot: config.dataRoot, clock, random, logger, containers: connectable, overlayAttachments: attachments,
        onEvent: event => events.publish('network', event.Action ?? '', event.Actor?.ID ?? '', event.Actor?.Attributes ?? {}),
        ...networkOptions(config),
      })
      return { containers: networks, networks }
    },
  })
}

function registryConfig({ registryMirrors, insecureRegistries, downloadsMax, uploadsMax, downloadAttemptsMax, ...config }: DaemonConfig): RegistryConfig {
  return { ...DEFAULT_REGISTRY_CONFIG, proxies: proxiesOf(config, process.env), mirrors: registryMirrors, insecure: insecureRegistries, downloadsMax, uploadsMax, attemptsMax: downloadAttemptsMax }
}

/** The engine's id: made once, kept for ever. */
function engineId(dataRoot: string, random: CryptoRandom): string {
  const file = new StateFile<{ readonly id: string }>(join(dataRoot, 'engine-id.json'))
  const known = file.read()?.id
  if (known !== undefined) return known
  const hex = createHexId(random).slice(0, 32)
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  file.write({ id })
  return id
}
