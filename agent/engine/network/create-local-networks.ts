import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventMessage } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf } from '../../../src/base/ip-address.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { needBridgeFilter } from './bridge-filter.ts'
import { ContainerAttachments } from './container-attachments.ts'
import { parseResolvConf, type ResolverSettings } from './container-files.ts'
import type { ConnectableContainers } from './container-networks.ts'
import { DEFAULT_BRIDGE, DEFAULT_BRIDGE_NAME, defaultBridgeSettings, type DefaultBridgeOptions } from './default-bridge.ts'
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
import { isSoundNetwork, isSoundSandbox } from './sound-records.ts'

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
  /** Absent members: dockerd's defaults. */
  readonly defaultBridge?: Partial<DefaultBridgeOptions>
  readonly addressPools?: readonly AddressPoolOption[]
  /** Options that new networks of a driver begin with. */
  readonly networkOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Servers for names that are not ours, "ip" or "ip:port"; absent: those of the host's /etc/resolv.conf. */
  readonly dnsUpstreams?: readonly string[]
  readonly dnsSearch?: readonly string[]
  readonly dnsOptions?: readonly string[]
  /** Addresses for "host-gateway"; empty or absent: those of the default bridge. */
  readonly hostGateways?: readonly string[]
  /** False: no rules of that family are written; published ports, masquerading and isolation are somebody else's business. */
  readonly hasRules?: { readonly ipv4: boolean; readonly ipv6: boolean }
  readonly forwards?: boolean
  /** False: ports of [::] are published only for containers that have IPv6. */
  readonly hasProxy?: boolean
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
  const bridge: DefaultBridgeOptions = { ...DEFAULT_BRIDGE, ...options.defaultBridge }
  const families = ([4, 6] as const).filter(family => (family === 4 ? options.hasRules?.ipv4 !== false : options.hasRules?.ipv6 !== false && kernel.hasIpv6))
  const firewall = new HostFirewall(kernel, { families, forwards: options.forwards !== false })
  const publisher = new PortPublisher({ kernel, firewall, random, hasProxy: options.hasProxy !== false })
  const registry = new NetworkRegistry({
    kernel, firewall, clock, random, logger, files: new RecordFiles<NetworkRecord>(join(options.dataRoot, 'networks'), { durable: true, logger, isSound: isSoundNetwork }),
    defaults: {
      pools: options.addressPools ?? DEFAULT_ADDRESS_POOLS, mtu: bridge.mtu, options: options.networkOptions ?? {},
      ...(bridge.bridge === 'none' ? {} : { defaultBridge: ula => defaultBridgeSettings(foundBridge(kernel, bridge), ula) }),
    },
  })
  const ingress = new IngressGateway({ kernel, firewall, publisher, bridge: () => registry.gatewayBridge(), logger })
  const overlays = new Overlays({ kernel, files: new RecordFiles<OverlayRecord>(join(options.execRoot, 'overlays'), { durable: false, logger, isSound: (_, record) => typeof record.table === 'object' }), netnsFolder, ingress, logger, clock })
  const sandboxes = new Sandboxes({ kernel, publisher, random, logger, netnsFolder, files: new RecordFiles<SandboxRecord>(join(options.execRoot, 'sandboxes'), { durable: false, logger, isSound: isSoundSandbox }) })
  if (registry.records().some(record => record.bridge?.icc === false)) await needBridgeFilter(kernel).catch((err: unknown) => logger.error('containers on bridges without icc may reach each other', { err }))
  registry.start()
  for (const endpoint of sandboxes.all().flatMap(record => record.endpoints)) registry.network(endpoint.networkId)?.addresses.claim(endpoint)
  await overlays.start()
  await firewall.replace({ bridges: registry.bridges(), ports: sandboxes.all().flatMap(record => record.ports), ingress: ingress.ports() })
  const attachments = new ContainerAttachments({
    kernel, registry, overlays, sandboxes, publisher, logger, netnsFolder, dns: new DnsServer({ kernel, clock, random, logger }),
    hostResolver: () => hostResolver(options), hostGateways: options.hostGateways ?? [], hostHosts: () => readIfThere('/etc/hosts'),
  })
  return new LocalNetworks({ registry, overlays, attachments, ingress, clock, containers: options.containers, onEvent: options.onEvent ?? (() => {}), overlayAttachments: options.overlayAttachments })
}

/** The host's resolver as the daemon was told to see it. */
function hostResolver({ dnsUpstreams, dnsSearch, dnsOptions }: LocalNetworksOptions): ResolverSettings {
  const { nameservers, search, options } = parseResolvConf(readIfThere('/etc/resolv.conf'))
  return { nameservers: dnsUpstreams ?? nameservers, search: dnsSearch ?? search, options: dnsOptions ?? options }
}

/** A bridge of another name than ours is the user's: it has to be there, and its addresses count. @throws `bad-daemon-config` (invalid-argument) */
function foundBridge(kernel: NetworkKernel, options: DefaultBridgeOptions): DefaultBridgeOptions {
  const { bridge, bip, bip6 } = options
  if (bridge === '' || bridge === DEFAULT_BRIDGE_NAME) return options
  if (!kernel.links.list(undefined).some(link => link.name === bridge)) throw new ShoalError('invalid-argument', 'bad-daemon-config', `bridge device with non default name ${bridge} must be created manually`)
  const addresses = kernel.links.addresses(undefined).filter(({ link }) => link === bridge).map(({ cidr }) => cidr)
  const own = (family: 4 | 6): string => addresses.find(cidr => familyOf(cidr) === family) ?? ''
  return { ...options, bip: bip === '' ? own(4) : bip, bip6: bip6 === '' ? own(6) : bip6 }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
