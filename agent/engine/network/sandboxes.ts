import { join } from 'node:path'
import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import type { NetworkedContainer } from './container-networks.ts'
import { macOf } from './ipv4.ts'
import type { EndpointRecord, PublishedPort, SandboxRecord } from './network-records.ts'
import type { PortPublisher } from './port-publisher.ts'
import type { RecordFiles } from './record-files.ts'

/** A network to join and what the user asked of it. */
export interface Joining { readonly network: AttachableNetwork; readonly settings: EndpointSettings; readonly isHidden: boolean }

type NetworkLookup = (networkId: string) => AttachableNetwork | undefined

/** Our interfaces in the daemon's or an overlay's namespace begin with this; anything that does and is in no record is left over. */
export const LINK_PREFIX = 'shv'

/**
 * Namespaces of containers with their interfaces, routes and published ports. A record is written before the kernel is touched and
 * removed after, so whatever a crash leaves behind is known.
 */
export class Sandboxes {
  readonly #kernel: NetworkKernel
  readonly #publisher: PortPublisher
  readonly #random: Random
  readonly #logger: Logger
  readonly #files: RecordFiles<SandboxRecord>
  readonly #folder: string
  readonly #records: Map<string, SandboxRecord>
  readonly #leaving = new Map<string, Promise<void>>()

  constructor(options: {
    readonly kernel: NetworkKernel; readonly publisher: PortPublisher; readonly random: Random; readonly logger: Logger
    readonly files: RecordFiles<SandboxRecord>; readonly netnsFolder: string
  }) {
    this.#kernel = options.kernel
    this.#publisher = options.publisher
    this.#random = options.random
    this.#logger = options.logger
    this.#files = options.files
    this.#folder = options.netnsFolder
    this.#records = options.files.load()
  }

  get(containerId: string): SandboxRecord | undefined { return this.#records.get(containerId) }
  all(): readonly SandboxRecord[] { return [...this.#records.values()] }
  /** Who is on a network. */
  members(networkId: string): readonly { readonly container: NetworkedContainer; readonly endpoint: EndpointRecord }[] {
    return this.all().flatMap(({ container, endpoints }) => endpoints.filter(each => each.networkId === networkId).map(endpoint => ({ container, endpoint })))
  }

  /** Makes a container's namespace and joins the networks. All or nothing. */
  async create(container: NetworkedContainer, joinings: readonly Joining[]): Promise<SandboxRecord> {
    const netnsPath = join(this.#folder, container.id)
    let record: SandboxRecord = { container, netnsPath, endpoints: [], ports: [] }
    const undo: (() => void | Promise<void>)[] = [() => this.#kernel.netns.remove(netnsPath)]
    try {
      this.#kernel.netns.remove(netnsPath)
      for (const joining of joinings) {
        const endpoint = this.#newEndpoint(joining, record.endpoints)
        undo.push(() => joining.network.release(endpoint.address))
        record = { ...record, endpoints: [...record.endpoints, endpoint] }
      }
      this.#save(record)
      this.#kernel.netns.create(netnsPath)
      this.#prepare(netnsPath)
      joinings.forEach(({ network }, at) => {
        const endpoint = record.endpoints[at] as EndpointRecord
        undo.push(() => network.unplug(endpoint))
        network.plug(netnsPath, endpoint)
      })
      this.#routeOut(record)
      return await this.#publish(record, joinings.map(joining => joining.network))
    } catch (error) {
      for (const step of undo.reverse()) await step()
      this.#forget(container.id)
      throw error
    }
  }

  rename(containerId: string, name: string): SandboxRecord | undefined {
    const record = this.#records.get(containerId)
    if (record !== undefined) this.#save({ ...record, container: { ...record.container, name } })
    return record
  }

  /** Joins one more network. */
  async join(record: SandboxRecord, joining: Joining, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    this.#checkStays(record)
    const endpoint = this.#newEndpoint(joining, record.endpoints)
    const joined = { ...record, endpoints: [...record.endpoints, endpoint] }
    try {
      this.#save(joined)
      joining.network.plug(record.netnsPath, endpoint)
      this.#routeOut(joined)
      return joined.ports.length > 0 ? joined : await this.#publish(joined, networks)
    } catch (error) {
      await joining.network.unplug(endpoint)
      joining.network.release(endpoint.address)
      this.#save(record)
      throw error
    }
  }

  /** Leaves a network; ports that were published through it move to another way in, if there is one. */
  async leave(record: SandboxRecord, endpoint: EndpointRecord, network: AttachableNetwork, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    this.#checkStays(record)
    const gone = record.ports.filter(port => port.containerIp === endpoint.address)
    const left = { ...record, endpoints: record.endpoints.filter(each => each.id !== endpoint.id), ports: record.ports.filter(port => !gone.includes(port)) }
    // Written first: an interface that no record knows goes at the next start, but one that a record claims and is not there would never come back.
    this.#save(left)
    try {
      await this.#publisher.unpublish(gone)
      await network.unplug(endpoint)
    } catch (error) {
      this.#save(record)
      throw error
    }
    network.release(endpoint.address)
    return await this.afterLeave(left, networks)
  }

  /** What the networks that are left must take over from one that is gone: the way out, and the published ports. */
  async afterLeave(record: SandboxRecord, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    this.#routeOut(record)
    return record.ports.length > 0 ? record : await this.#publish(record, networks)
  }

  /** Takes everything of a container down. Others may change meanwhile: it waits for the kernel, and holds the addresses until the links are gone. */
  async remove(containerId: string, networkOf: NetworkLookup): Promise<void> {
    const record = this.#records.get(containerId)
    if (record === undefined || this.#leaving.has(containerId)) return await this.#leaving.get(containerId)
    const removed = this.#removeNow(record, networkOf)
    this.#leaving.set(containerId, removed)
    try {
      await removed
    } finally {
      this.#leaving.delete(containerId)
    }
  }

  async #removeNow(record: SandboxRecord, networkOf: NetworkLookup): Promise<void> {
    // A network that is not known any more took the interface with it.
    const plugged = record.endpoints.flatMap(endpoint => {
      const network = networkOf(endpoint.networkId)
      return network === undefined ? [] : [{ network, endpoint }]
    })
    await Promise.all([this.#publisher.unpublish(record.ports), ...plugged.map(({ network, endpoint }) => network.unplug(endpoint))])
    for (const { network, endpoint } of plugged) network.release(endpoint.address)
    this.#kernel.netns.remove(record.netnsPath)
    this.#forget(record.container.id)
  }

  /** After a restart: takes the sockets of published ports again. */
  adopt(record: SandboxRecord): void {
    for (const port of record.ports) {
      const failure = this.#publisher.hold(port.protocol, port.hostIp, port.hostPort)
      if (failure !== undefined) this.#logger.warn('a published port is used by another program too', { container: record.container.id, port: port.hostPort, failure })
    }
  }

  #checkStays({ container }: SandboxRecord): void {
    if (this.#leaving.has(container.id)) throw new ShoalError('failed-precondition', 'no-sandbox', `container ${container.name} is stopping`)
  }

  #newEndpoint({ network, settings, isHidden }: Joining, siblings: readonly EndpointRecord[]): EndpointRecord {
    const id = createHexId(this.#random)
    const wantedAddress = settings.IPAMConfig?.IPv4Address ?? ''
    const address = network.allocate(wantedAddress)
    return {
      id, networkId: network.id, networkName: network.name, driver: network.driver, isHidden, address, prefix: network.prefix, gateway: network.gateway,
      mac: network.driver === 'overlay' || settings.MacAddress === undefined || settings.MacAddress === '' ? macOf(address) : settings.MacAddress,
      link: freeLink(siblings), hostLink: `${LINK_PREFIX}${id.slice(0, 11)}`, aliases: settings.Aliases ?? [], links: settings.Links ?? [],
      wantedAddress, priority: settings.GwPriority ?? 0, driverOpts: settings.DriverOpts ?? {},
    }
  }

  #prepare(netnsPath: string): void {
    const sysctls = { 'ipv6/conf/default/disable_ipv6': '1', 'ipv4/ip_unprivileged_port_start': '0', 'ipv4/ping_group_range': '0 2147483647' }
    for (const [key, value] of Object.entries(sysctls)) {
      try {
        this.#kernel.netns.writeSysctl(netnsPath, key, value)
      } catch (err) {
        if (!hasCode(err, 'sysctl-failed')) throw err
        this.#logger.debug('the kernel does not take a setting', { key, err })
      }
    }
  }

  #routeOut(record: SandboxRecord): void {
    const endpoint = wayOut(record.endpoints)
    if (endpoint === undefined) return
    this.#kernel.links.apply(record.netnsPath, [{ kind: 'add-route', to: 'default', via: endpoint.gateway }])
  }

  async #publish(record: SandboxRecord, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    const endpoint = wayIn(record.endpoints)
    let published = record
    if (endpoint !== undefined) {
      const hostIp = networks.find(network => network.id === endpoint.networkId)?.defaultHostIp ?? '0.0.0.0'
      const ports: readonly PublishedPort[] = await this.#publisher.publish(record.container, endpoint.address, hostIp)
      published = { ...record, ports }
    }
    this.#save(published)
    return published
  }

  #save(record: SandboxRecord): void {
    this.#files.write(record.container.id, record)
    this.#records.set(record.container.id, record)
  }

  #forget(containerId: string): void {
    this.#files.remove(containerId)
    this.#records.delete(containerId)
  }
}

/** The interface of the default route: highest priority, then first joined. */
export function wayOut(endpoints: readonly EndpointRecord[]): EndpointRecord | undefined {
  return endpoints.filter(endpoint => endpoint.gateway !== '').sort((a, b) => b.priority - a.priority)[0]
}

/** The interface that published ports lead to: a bridge with a way out. */
function wayIn(endpoints: readonly EndpointRecord[]): EndpointRecord | undefined {
  return wayOut(endpoints.filter(endpoint => endpoint.driver === 'bridge'))
}

function freeLink(endpoints: readonly EndpointRecord[]): string {
  for (let at = 0; ; at += 1) if (!endpoints.some(endpoint => endpoint.link === `eth${at}`)) return `eth${at}`
}
