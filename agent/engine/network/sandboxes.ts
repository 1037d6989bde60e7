import { join } from 'node:path'
import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import { createHexId } from '../../../src/base/ids.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { Random } from '../../../src/base/random.ts'
import type { UserNamespace } from '../../kernel/netns.ts'
import type { LinkOperation } from '../../kernel/links.ts'
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
const LINK_NAME_OPTION = 'com.docker.network.endpoint.ifname'

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
  async create(container: NetworkedContainer, joinings: readonly Joining[], userns?: UserNamespace): Promise<SandboxRecord> {
    const netnsPath = join(this.#folder, container.id)
    let record: SandboxRecord = { container, netnsPath, endpoints: [], ports: [] }
    const undo: (() => void | Promise<void>)[] = [() => this.#kernel.netns.remove(netnsPath)]
    try {
      this.#kernel.netns.remove(netnsPath)
      for (const joining of joinings) {
        const endpoint = this.#newEndpoint(joining, record.endpoints)
        undo.push(() => joining.network.addresses.release(endpoint))
        record = { ...record, endpoints: [...record.endpoints, endpoint] }
      }
      this.#save(record)
      if (userns === undefined) this.#kernel.netns.create(netnsPath)
      else await this.#kernel.netns.createMapped(netnsPath, userns)
      this.#prepare(netnsPath)
      joinings.forEach(({ network }, at) => {
        const endpoint = record.endpoints[at] as EndpointRecord
        undo.push(() => network.unplug(netnsPath, endpoint))
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
      await joining.network.unplug(record.netnsPath, endpoint)
      joining.network.addresses.release(endpoint)
      this.#save(record)
      throw error
    }
  }

  /** Leaves a network; ports that were published through it move to another way in, if there is one. */
  async leave(record: SandboxRecord, endpoint: EndpointRecord, network: AttachableNetwork, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    this.#checkStays(record)
    const gone = record.ports.filter(port => port.containerIp === endpoint.address || port.containerIp === endpoint.address6)
    const left = { ...record, endpoints: record.endpoints.filter(each => each.id !== endpoint.id), ports: record.ports.filter(port => !gone.includes(port)) }
    // Written first: an interface that no record knows goes at the next start, but one that a record claims and is not there would never come back.
    this.#save(left)
    try {
      await this.#publisher.unpublish(gone)
      await network.unplug(record.netnsPath, endpoint)
    } catch (error) {
      this.#save(record)
      throw error
    }
    network.addresses.release(endpoint)
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
    await Promise.all([this.#publisher.unpublish(record.ports), ...plugged.map(({ network, endpoint }) => network.unplug(record.netnsPath, endpoint))])
    for (const { network, endpoint } of plugged) network.addresses.release(endpoint)
    this.#kernel.netns.remove(record.netnsPath)
    this.#forget(record.container.id)
  }

  /** After a restart: takes the sockets of published ports again. */
  adopt(record: SandboxRecord): void {
    for (const port of record.ports) {
      const failure = this.#publisher.adopt(port)
      if (failure !== undefined) this.#logger.warn('a published port is used by another program too', { container: record.container.id, port: port.hostPort, failure })
    }
  }

  #checkStays({ container }: SandboxRecord): void {
    if (this.#leaving.has(container.id)) throw new ShoalError('failed-precondition', 'no-sandbox', `container ${container.name} is stopping`)
  }

  #newEndpoint({ network, settings, isHidden }: Joining, siblings: readonly EndpointRecord[]): EndpointRecord {
    const id = createHexId(this.#random)
    const driverOpts = settings.DriverOpts ?? {}
    const { IPv4Address: wantedAddress = '', IPv6Address: wantedAddress6 = '', LinkLocalIPs } = settings.IPAMConfig ?? {}
    const allocation = network.addresses.allocate({ address: wantedAddress, address6: wantedAddress6 })
    const link = driverOpts[LINK_NAME_OPTION] ?? freeLink(siblings, network.linkPrefix)
    if (siblings.some(sibling => sibling.link === link)) throw new ShoalError('invalid-argument', 'invalid-endpoint', `the container has an interface named ${link} already`)
    return {
      id, networkId: network.id, networkName: network.name, driver: network.driver, isHidden, ...allocation,
      mac: network.driver === 'overlay' || (settings.MacAddress ?? '') === '' ? macOf(allocation.address === '' ? allocation.address6 : allocation.address) : settings.MacAddress ?? '',
      link, hostLink: `${LINK_PREFIX}${id.slice(0, 11)}`, aliases: settings.Aliases ?? [], links: settings.Links ?? [],
      wantedAddress, wantedAddress6, linkLocals: LinkLocalIPs ?? [], priority: settings.GwPriority ?? 0, driverOpts, isDirect: network.isDirect,
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
    const [out4, out6] = [wayOut(record.endpoints, 4), wayOut(record.endpoints, 6)]
    this.#kernel.links.apply(record.netnsPath, [...defaultRoute(out4, 4), ...defaultRoute(out6, 6)])
  }

  async #publish(record: SandboxRecord, networks: readonly AttachableNetwork[]): Promise<SandboxRecord> {
    const bridged = record.endpoints.filter(endpoint => endpoint.driver === 'bridge')
    const [way4, way6] = [wayOut(bridged, 4), wayOut(bridged, 6)]
    const way = way4 ?? way6
    let published = record
    if (way !== undefined) {
      const network = networks.find(each => each.id === way.networkId)
      const ports: readonly PublishedPort[] = await this.#publisher.publish(record.container, {
        address: way4?.address ?? '', address6: way6?.address6 ?? '', defaultHostIp: network?.defaultHostIp ?? '0.0.0.0', endpointId: way.id,
        isRouted4: isRouted(networks, way4, 4), isRouted6: isRouted(networks, way6, 6),
      })
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

/** The interface of a family's default route: highest priority, then by the network's name, as Docker chooses. */
export function wayOut(endpoints: readonly EndpointRecord[], family: 4 | 6): EndpointRecord | undefined {
  const leads = (endpoint: EndpointRecord): boolean => (family === 4 ? endpoint.gateway !== '' : (endpoint.gateway6 ?? '') !== '') || (endpoint.isDirect === true && (family === 4 ? endpoint.address : endpoint.address6 ?? '') !== '')
  return endpoints.filter(leads).sort((a, b) => b.priority - a.priority || Number(a.isHidden) - Number(b.isHidden) || (a.networkName < b.networkName ? -1 : 1))[0]
}

function defaultRoute(endpoint: EndpointRecord | undefined, family: 4 | 6): readonly LinkOperation[] {
  if (endpoint === undefined) return []
  const via = family === 4 ? endpoint.gateway : endpoint.gateway6 ?? ''
  return [{ kind: 'add-route', to: family === 4 ? 'default' : 'default6', link: endpoint.link, ...(via === '' ? {} : { via }) }]
}

function isRouted(networks: readonly AttachableNetwork[], endpoint: EndpointRecord | undefined, family: 4 | 6): boolean {
  return networks.find(network => network.id === endpoint?.networkId)?.isRouted(family) === true
}

function freeLink(endpoints: readonly EndpointRecord[], prefix: string): string {
  for (let at = 0; ; at += 1) if (!endpoints.some(endpoint => endpoint.link === `${prefix}${at}`)) return `${prefix}${at}`
}
