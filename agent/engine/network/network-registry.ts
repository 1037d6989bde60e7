import { createHash } from 'node:crypto'
import type { NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import { familyOf, formatIpSubnet, parseIpSubnet } from '../../../src/base/ip-address.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { needBridgeFilter } from './bridge-filter.ts'
import { BridgeNetwork } from './bridge-network.ts'
import { bridgeSettings } from './bridge-settings.ts'
import type { HostFirewall } from './host-firewall.ts'
import type { AddressPoolOption } from './ipam.ts'
import type { SubnetSettings } from './network-pools.ts'
import type { BridgeSettings, NetworkRecord } from './network-records.ts'
import { completeRequest, ipamOf, isPredefined, PREDEFINED } from './network-request.ts'
import type { RecordFiles } from './record-files.ts'
import { SharedLinkNetwork } from './shared-link-network.ts'
import { sharedLinkSettings } from './shared-link-settings.ts'
import { isEnabled } from './subnet-request.ts'

export const GATEWAY_BRIDGE = 'docker_gwbridge'
/** A bridge and two rules each; the kernel allows more, no user needs it. */
const NETWORKS_MAX = 1000

/** What new networks get that say nothing else. */
export interface NetworkDefaults {
  readonly pools: readonly AddressPoolOption[]
  readonly mtu: number
  /** Made from where IPv6 addresses come from; absent: there is to be no default bridge. */
  readonly defaultBridge?: (ula: string) => BridgeSettings
  /** Options by driver. */
  readonly options: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** The networks of this host alone: bridges, those that share a link of the host, host and none. */
export class NetworkRegistry {
  readonly #kernel: NetworkKernel
  readonly #firewall: HostFirewall
  readonly #files: RecordFiles<NetworkRecord>
  readonly #clock: Clock
  readonly #random: Random
  readonly #defaults: NetworkDefaults
  readonly #records: Map<string, NetworkRecord>
  readonly #networks = new Map<string, BridgeNetwork | SharedLinkNetwork>()
  readonly #logger: Logger

  constructor(options: {
    readonly kernel: NetworkKernel; readonly firewall: HostFirewall; readonly files: RecordFiles<NetworkRecord>; readonly clock: Clock; readonly random: Random
    readonly defaults: NetworkDefaults; readonly logger: Logger
  }) {
    this.#kernel = options.kernel
    this.#firewall = options.firewall
    this.#files = options.files
    this.#clock = options.clock
    this.#random = options.random
    this.#defaults = options.defaults
    this.#logger = options.logger
    this.#records = options.files.load()
  }

  /** Brings every network up and makes the predefined ones that are missing. The firewall is the caller's to replace afterwards. */
  start(): void {
    for (const name of PREDEFINED) this.#startPredefined(name)
    for (const record of this.#records.values()) {
      try {
        this.#bringUp(record)
      } catch (err) {
        // A parent that is gone must not keep the daemon and everyone else down.
        if (record.driver === 'bridge') throw err
        this.#logger.error('a network could not be brought up; containers cannot join it', { network: record.name, err })
      }
    }
  }

  records(): readonly NetworkRecord[] { return [...this.#records.values()] }
  bridges(): readonly BridgeSettings[] { return [...this.#networks.values()].flatMap(network => (network instanceof BridgeNetwork ? [network.settings] : [])) }
  network(id: string): BridgeNetwork | SharedLinkNetwork | undefined { return this.#networks.get(id) }
  byName(name: string): NetworkRecord | undefined { return this.records().find(record => record.name === name) }
  byId(id: string): NetworkRecord | undefined { return this.#records.get(id) }

  /** @throws `network-exists` (conflict), those of completeRequest(), `no-free-subnet`, `subnet-overlaps`, `parent-in-use` */
  async create(request: NetworkCreateRequest): Promise<NetworkRecord> {
    const complete = completeRequest(request, this.records())
    const name = request.Name ?? ''
    if (this.byName(name) !== undefined) throw new ShoalError('conflict', 'network-exists', `network with name ${name} already exists`)
    if (this.#records.size >= NETWORKS_MAX) throw new ShoalError('resource-exhausted', 'too-many-networks', `there are ${NETWORKS_MAX} networks on this host already; remove unused ones`)
    const driver = complete.Driver === undefined || complete.Driver === '' ? 'bridge' : complete.Driver
    return await this.#make({ ...complete, Options: { ...this.#defaults.options[driver], ...complete.Options } }, name)
  }

  /** The bridge that containers without another way out leave by, made when first needed. */
  async gatewayBridge(): Promise<BridgeNetwork> {
    const record = this.byName(GATEWAY_BRIDGE) ?? await this.#make({
      Name: GATEWAY_BRIDGE, Driver: 'bridge',
      Options: { 'com.docker.network.bridge.name': GATEWAY_BRIDGE, 'com.docker.network.bridge.enable_icc': 'false', 'com.docker.network.bridge.enable_ip_masquerade': 'true' },
    }, GATEWAY_BRIDGE)
    const bridge = this.#networks.get(record.id)
    if (!(bridge instanceof BridgeNetwork)) throw new ShoalError('failed-precondition', 'invalid-network', `network ${GATEWAY_BRIDGE} is not a bridge; remove it, it is made again when needed`)
    return bridge
  }

  /** @throws `predefined-network` (permission-denied), `network-in-use` (permission-denied) for a configuration that others are made from */
  async remove(record: NetworkRecord): Promise<void> {
    if (isPredefined(record.name)) throw new ShoalError('permission-denied', 'predefined-network', `${record.name} is a pre-defined network and cannot be removed`)
    if (record.configOnly === true && this.records().some(each => each.configFrom === record.name)) {
      throw new ShoalError('permission-denied', 'network-in-use', `error while removing network: configuration network "${record.name}" is in use`)
    }
    const network = this.#networks.get(record.id)
    if (network instanceof BridgeNetwork) await this.#firewall.removeBridge(network.settings)
    await network?.down()
    this.#forget(record.id)
  }

  async #make(request: NetworkCreateRequest, name: string): Promise<NetworkRecord> {
    const record = this.#plan(request, createHexId(this.#random), name)
    if (record.bridge?.icc === false) await needBridgeFilter(this.#kernel)
    this.#add(record)
    try {
      this.#bringUp(record)
      if (record.bridge !== undefined) await this.#firewall.addBridge(record.bridge)
    } catch (error) {
      await this.#networks.get(record.id)?.down()
      this.#forget(record.id)
      throw error
    }
    return record
  }

  #plan(request: NetworkCreateRequest, id: string, name: string): NetworkRecord {
    const base = {
      id, name, created: this.#now(), internal: request.Internal ?? false, attachable: request.Attachable ?? false, hasIpv4: isEnabled(request, 4), hasIpv6: isEnabled(request, 6),
      options: request.Options ?? {}, labels: request.Labels ?? {}, configOnly: request.ConfigOnly === true, configFrom: request.ConfigFrom?.Network ?? '',
      hasOwnSubnets: ([4, 6] as const).filter(family => (request.IPAM?.Config ?? []).some(({ Subnet = '' }) => Subnet !== '' && familyOf(Subnet) === family)),
    }
    if (base.configOnly) return { ...base, driver: 'null', ipam: ipamOf(request, []) }
    const pools = [...this.#defaults.pools, ...(this.#defaults.pools.some(pool => familyOf(pool.base) === 6) ? [] : [{ base: this.#ula(), size: 64 }])]
    const links = this.#kernel.links.list(undefined).map(link => link.name)
    const host = this.#kernel.links.addresses(undefined).filter(({ link }) => !this.#isOurs(link)).map(({ cidr }) => cidr)
    const taken = this.records().flatMap(subnetsOf)
    if (request.Driver === 'macvlan' || request.Driver === 'ipvlan') {
      const shared = sharedLinkSettings(request, id, { pools, networks: taken, host, links, records: this.records() })
      return { ...base, driver: request.Driver, shared, ipam: ipamOf(request, shared.subnets) }
    }
    const settings = bridgeSettings(request, id, { defaults: { ...this.#defaults, pools }, networks: this.bridges(), taken, host })
    const bridge: BridgeSettings = links.includes(settings.name) ? { ...settings, isForeign: true } : settings
    return { ...base, driver: 'bridge', bridge, ipam: ipamOf(request, subnetSettingsOf(bridge)) }
  }

  /** IPv6 subnets of our own choosing: a range for this host alone (RFC 4193), derived from an id that stays. */
  #ula(): string { return ulaOf(this.byName('none')?.id ?? '') }

  #startPredefined(name: typeof PREDEFINED[number]): void {
    const known = this.byName(name)
    const record = this.#predefined(name)
    if (record !== undefined) this.#add({ ...record, ...identityOf(known) })
    else if (known !== undefined) this.#forget(known.id)
  }

  #predefined(name: typeof PREDEFINED[number]): NetworkRecord | undefined {
    const base = { id: createHexId(this.#random), name, created: this.#now(), internal: false, attachable: false, options: {}, labels: {} }
    if (name !== 'bridge') return { ...base, driver: name === 'none' ? 'null' : 'host', ipam: { Driver: 'default', Options: null, Config: [] } }
    const bridge = this.#defaults.defaultBridge?.(this.#ula())
    if (bridge === undefined) return undefined
    return {
      ...base, driver: 'bridge', bridge, hasIpv6: bridge.ipv6 !== undefined,
      ipam: { Driver: 'default', Options: null, Config: subnetSettingsOf(bridge).map(({ subnet, gateway, range }) => ({ Subnet: subnet, ...(range === undefined ? {} : { IPRange: range }), Gateway: gateway })) },
      options: {
        'com.docker.network.bridge.default_bridge': 'true', 'com.docker.network.bridge.enable_icc': String(bridge.icc), 'com.docker.network.bridge.enable_ip_masquerade': String(bridge.masquerade),
        'com.docker.network.bridge.host_binding_ipv4': bridge.hostIp, 'com.docker.network.bridge.name': bridge.name, 'com.docker.network.driver.mtu': String(bridge.mtu),
      },
    }
  }

  #bringUp(record: NetworkRecord): void {
    const network = record.bridge !== undefined ? new BridgeNetwork(this.#kernel, { ...record, bridge: record.bridge })
      : record.shared !== undefined ? new SharedLinkNetwork(this.#kernel, { ...record, shared: record.shared }) : undefined
    if (network === undefined) return
    this.#networks.set(record.id, network)
    network.up()
  }

  #forget(id: string): void {
    this.#networks.delete(id)
    this.#records.delete(id)
    this.#files.remove(id)
  }

  #add(record: NetworkRecord): void {
    this.#files.write(record.id, record)
    this.#records.set(record.id, record)
  }

  #isOurs(link: string): boolean { return this.bridges().some(bridge => bridge.name === link) }
  #now(): string { return new Date(this.#clock.nowMs()).toISOString() }
}

/** A predefined network keeps its identity, but follows the daemon's configuration. */
function identityOf(record: NetworkRecord | undefined): Partial<NetworkRecord> {
  return record === undefined ? {} : { id: record.id, created: record.created }
}

function subnetSettingsOf(bridge: BridgeSettings): readonly SubnetSettings[] {
  return [...(bridge.subnet === '' ? [] : [bridge]), ...(bridge.ipv6 === undefined ? [] : [bridge.ipv6])]
}

/** Every subnet that others must stay out of. */
function subnetsOf(record: NetworkRecord): readonly string[] {
  return [...(record.bridge === undefined ? [] : subnetSettingsOf(record.bridge)), ...record.shared?.subnets ?? []].map(({ subnet }) => subnet)
}

function ulaOf(id: string): string {
  const hex = createHash('sha256').update(id).digest('hex')
  return formatIpSubnet(parseIpSubnet(`fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}::/48`))
}
