import type { NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { needBridgeFilter } from './bridge-filter.ts'
import { BridgeNetwork } from './bridge-network.ts'
import { bridgeSettings, type AddressDefaults } from './bridge-settings.ts'
import type { HostFirewall } from './host-firewall.ts'
import type { BridgeSettings, NetworkRecord } from './network-records.ts'
import type { RecordFiles } from './record-files.ts'

/** There on every host; neither made nor removed by users. */
export const PREDEFINED = ['bridge', 'host', 'none'] as const
export const GATEWAY_BRIDGE = 'docker_gwbridge'
/** A bridge and two rules each; the kernel allows more, no user needs it. */
const NETWORKS_MAX = 1000

/** The networks of this host alone: bridges, host and none. */
export class NetworkRegistry {
  readonly #kernel: NetworkKernel
  readonly #firewall: HostFirewall
  readonly #files: RecordFiles<NetworkRecord>
  readonly #clock: Clock
  readonly #random: Random
  readonly #defaults: AddressDefaults
  readonly #records: Map<string, NetworkRecord>
  readonly #bridges = new Map<string, BridgeNetwork>()

  constructor(options: {
    readonly kernel: NetworkKernel; readonly firewall: HostFirewall; readonly files: RecordFiles<NetworkRecord>; readonly clock: Clock; readonly random: Random
    readonly defaults: AddressDefaults
  }) {
    this.#kernel = options.kernel
    this.#firewall = options.firewall
    this.#files = options.files
    this.#clock = options.clock
    this.#random = options.random
    this.#defaults = options.defaults
    this.#records = options.files.load()
  }

  /** Brings every bridge up and makes the predefined networks that are missing. The firewall is the caller's to replace afterwards. */
  start(): void {
    for (const name of PREDEFINED) this.#add({ ...this.#predefined(name), ...identityOf(this.byName(name)) })
    for (const record of this.#records.values()) this.#bringUp(record)
  }

  records(): readonly NetworkRecord[] { return [...this.#records.values()] }
  bridges(): readonly BridgeSettings[] { return [...this.#bridges.values()].map(bridge => bridge.settings) }
  bridge(id: string): BridgeNetwork | undefined { return this.#bridges.get(id) }
  byName(name: string): NetworkRecord | undefined { return this.records().find(record => record.name === name) }
  byId(id: string): NetworkRecord | undefined { return this.#records.get(id) }

  /** @throws `network-exists` (conflict), `predefined-network` (permission-denied), `invalid-network`, `network-driver-not-found`, `no-free-subnet`, `subnet-overlaps` */
  async create(request: NetworkCreateRequest): Promise<NetworkRecord> {
    const name = request.Name ?? ''
    checkRequest(request, name)
    if (this.byName(name) !== undefined) throw new ShoalError('conflict', 'network-exists', `network with name ${name} already exists`)
    if (this.#records.size >= NETWORKS_MAX) throw new ShoalError('resource-exhausted', 'too-many-networks', `there are ${NETWORKS_MAX} networks on this host already; remove unused ones`)
    return await this.#make(request, name)
  }

  /** The bridge that containers without another way out leave by, made when first needed. */
  async gatewayBridge(): Promise<BridgeNetwork> {
    const record = this.byName(GATEWAY_BRIDGE) ?? await this.#make({
      Name: GATEWAY_BRIDGE, Driver: 'bridge',
      Options: { 'com.docker.network.bridge.name': GATEWAY_BRIDGE, 'com.docker.network.bridge.enable_icc': 'false', 'com.docker.network.bridge.enable_ip_masquerade': 'true' },
    }, GATEWAY_BRIDGE)
    const bridge = this.#bridges.get(record.id)
    if (bridge === undefined) throw new ShoalError('failed-precondition', 'invalid-network', `network ${GATEWAY_BRIDGE} is not a bridge; remove it, it is made again when needed`)
    return bridge
  }

  /** @throws `predefined-network` (permission-denied) */
  async remove(record: NetworkRecord): Promise<void> {
    if (isPredefined(record.name)) throw new ShoalError('permission-denied', 'predefined-network', `${record.name} is a pre-defined network and cannot be removed`)
    const bridge = this.#bridges.get(record.id)
    if (bridge !== undefined) {
      await this.#firewall.removeBridge(bridge.settings)
      await bridge.down()
    }
    this.#bridges.delete(record.id)
    this.#records.delete(record.id)
    this.#files.remove(record.id)
  }

  async #make(request: NetworkCreateRequest, name: string): Promise<NetworkRecord> {
    const id = createHexId(this.#random)
    const settings = bridgeSettings(request, id, {
      defaults: this.#defaults, networks: this.bridges(), host: this.#kernel.links.addresses(undefined).filter(({ link }) => !this.#isOurs(link)).map(({ cidr }) => cidr),
    })
    if (!settings.icc) await needBridgeFilter(this.#kernel)
    const record: NetworkRecord = {
      id, name, driver: 'bridge', created: this.#now(), internal: request.Internal ?? false, attachable: request.Attachable ?? false,
      options: request.Options ?? {}, labels: request.Labels ?? {}, bridge: settings,
      ipam: {
        Driver: request.IPAM?.Driver ?? 'default', Options: request.IPAM?.Options ?? {},
        Config: [{ Subnet: settings.subnet, Gateway: settings.gateway, ...(settings.range === undefined ? {} : { IPRange: settings.range }), ...auxiliaryOf(request) }],
      },
    }
    this.#add(record)
    try {
      this.#bringUp(record)
      await this.#firewall.addBridge(settings)
    } catch (error) {
      await this.#bridges.get(id)?.down()
      this.#bridges.delete(id)
      this.#records.delete(id)
      this.#files.remove(id)
      throw error
    }
    return record
  }

  #predefined(name: typeof PREDEFINED[number]): NetworkRecord {
    const base = { id: createHexId(this.#random), name, created: this.#now(), internal: false, attachable: false, options: {}, labels: {} }
    if (name !== 'bridge') return { ...base, driver: name === 'none' ? 'null' : 'host', ipam: { Driver: 'default', Options: null, Config: [] } }
    const bridge = this.#defaults.defaultBridge
    return {
      ...base, driver: 'bridge', bridge, ipam: { Driver: 'default', Options: null, Config: [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] },
      options: {
        'com.docker.network.bridge.default_bridge': 'true', 'com.docker.network.bridge.enable_icc': 'true', 'com.docker.network.bridge.enable_ip_masquerade': 'true',
        'com.docker.network.bridge.host_binding_ipv4': bridge.hostIp, 'com.docker.network.bridge.name': bridge.name, 'com.docker.network.driver.mtu': String(bridge.mtu),
      },
    }
  }

  #bringUp(record: NetworkRecord): void {
    if (record.bridge === undefined) return
    const bridge = new BridgeNetwork(this.#kernel, { ...record, bridge: record.bridge })
    this.#bridges.set(record.id, bridge)
    bridge.up()
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

export function isPredefined(name: string): boolean { return (PREDEFINED as readonly string[]).includes(name) }

function checkRequest(request: NetworkCreateRequest, name: string): void {
  if (isPredefined(name)) throw new ShoalError('permission-denied', 'predefined-network', `operation is not permitted on predefined ${name} network`)
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw new ShoalError('invalid-argument', 'invalid-network', `invalid network name "${name}": it must begin with a letter or digit and hold only letters, digits, "_", "." and "-"`)
  const driver = request.Driver ?? 'bridge'
  if (driver !== 'bridge' && driver !== '') {
    throw new ShoalError('not-found', 'network-driver-not-found', `could not find plugin ${driver} in v1 plugin registry: plugin not found; on a single host the driver "bridge" can be used`)
  }
  if (request.EnableIPv6 === true) throw new ShoalError('not-implemented', 'ipv6-unsupported', 'IPv6 networks are not supported; create the network without --ipv6')
  if (request.ConfigOnly === true || (request.ConfigFrom?.Network ?? '') !== '') {
    throw new ShoalError('not-implemented', 'config-only-unsupported', 'config-only networks are not supported on a single host; give the settings directly')
  }
}

function auxiliaryOf(request: NetworkCreateRequest): { readonly AuxiliaryAddresses?: Readonly<Record<string, string>> } {
  const addresses = request.IPAM?.Config?.[0]?.AuxiliaryAddresses
  return addresses === undefined || addresses === null ? {} : { AuxiliaryAddresses: addresses }
}
