import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventMessage } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { needBridgeFilter } from './bridge-filter.ts'
import { defaultBridgeSettings } from './bridge-settings.ts'
import { ContainerAttachments } from './container-attachments.ts'
import { parseResolvConf, type ResolverSettings } from './container-files.ts'
import type { ConnectableContainers } from './container-networks.ts'
import { DnsServer } from './dns-server.ts'
import { HostFirewall } from './host-firewall.ts'
import { IngressGateway } from './ingress-gateway.ts'
import { DEFAULT_ADDRESS_POOLS, type AddressPoolOption } from './ipam.ts'
import { LocalNetworks } from './local-networks.ts'
import { NetworkRegistry } from './network-registry.ts'
import type { NetworkRecord, OverlayRecord, SandboxRecord } from './network-records.ts'
import type { OverlayAttachments } from './overlay-attachments.ts'
import { Overlays } from './overlays.ts'
import { PortPublisher } from './port-publisher.ts'
import { RecordFiles } from './record-files.ts'
import { Sandboxes } from './sandboxes.ts'

export interface LocalNetworksOptions {
  readonly kernel: NetworkKernel
  /** Dies with the machine: namespaces and what stands in them. */
  readonly execRoot: string
  readonly dataRoot: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The container side; asked only by connect and disconnect. */
  readonly containers: () => ConnectableContainers
  readonly onEvent?: (event: EventMessage) => void
  readonly bridgeName?: string
  /** Address of docker0 with prefix. */
  readonly bip?: string
  readonly mtu?: number
  readonly addressPools?: readonly AddressPoolOption[]
  /** Servers for names that are not ours, "ip" or "ip:port"; absent: those of the host's /etc/resolv.conf. */
  readonly dnsUpstreams?: readonly string[]
  /** The cluster's side of `docker run --network <attachable overlay>`; absent: such containers are refused. */
  readonly overlayAttachments?: OverlayAttachments
}

/**
 * Builds the networking of this host and brings its networks up as the records tell. Call restore() next, before any attach().
 * Dispose it to stop the resolvers; containers keep running with their networks.
 */
export async function createLocalNetworks(options: LocalNetworksOptions): Promise<LocalNetworks> {
  const { kernel, clock, random, logger } = options
  const netnsFolder = join(options.execRoot, 'netns')
  const mtu = options.mtu ?? 1500
  const firewall = new HostFirewall(kernel)
  const publisher = new PortPublisher(kernel, firewall, random)
  const registry = new NetworkRegistry({
    kernel, firewall, clock, random, files: new RecordFiles<NetworkRecord>(join(options.dataRoot, 'networks'), { durable: true, logger, isSound: (id, record) => record.id === id && typeof record.name === 'string' && typeof record.driver === 'string' && (record.driver !== 'bridge' || typeof record.bridge?.subnet === 'string') }),
    defaults: { pools: options.addressPools ?? DEFAULT_ADDRESS_POOLS, mtu, defaultBridge: defaultBridgeSettings({ name: options.bridgeName ?? 'docker0', bip: options.bip ?? '172.17.0.1/16', mtu }) },
  })
  const ingress = new IngressGateway({ kernel, firewall, publisher, bridge: () => registry.gatewayBridge(), logger })
  const overlays = new Overlays({ kernel, files: new RecordFiles<OverlayRecord>(join(options.execRoot, 'overlays'), { durable: false, logger, isSound: (_, record) => typeof record.table === 'object' }), netnsFolder, ingress, logger, clock })
  const sandboxes = new Sandboxes({ kernel, publisher, random, logger, netnsFolder, files: new RecordFiles<SandboxRecord>(join(options.execRoot, 'sandboxes'), { durable: false, logger, isSound: (id, record) => record.container?.id === id && Array.isArray(record.endpoints) && Array.isArray(record.ports) }) })
  if (registry.records().some(record => record.bridge?.icc === false)) await needBridgeFilter(kernel).catch((err: unknown) => logger.error('containers on bridges without icc may reach each other', { err }))
  registry.start()
  for (const endpoint of sandboxes.all().flatMap(record => record.endpoints)) registry.bridge(endpoint.networkId)?.claim(endpoint.address)
  await overlays.start()
  await firewall.replace({ bridges: registry.bridges(), ports: sandboxes.all().flatMap(record => record.ports), ingress: ingress.ports() })
  const attachments = new ContainerAttachments({
    kernel, registry, overlays, sandboxes, publisher, logger, netnsFolder, dns: new DnsServer({ kernel, clock, random, logger }),
    hostResolver: () => hostResolver(options.dnsUpstreams), hostHosts: () => readIfThere('/etc/hosts'),
  })
  return new LocalNetworks({ registry, overlays, attachments, ingress, clock, containers: options.containers, onEvent: options.onEvent ?? (() => {}), overlayAttachments: options.overlayAttachments })
}

function hostResolver(upstreams: readonly string[] | undefined): ResolverSettings {
  const settings = parseResolvConf(readIfThere('/etc/resolv.conf'))
  return upstreams === undefined ? settings : { ...settings, nameservers: upstreams }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
