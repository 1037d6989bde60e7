import { join } from 'node:path'
import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Logger } from '../../../src/base/logger.ts'
import type { UserNamespace } from '../../kernel/netns.ts'
import type { NetworkKernel } from '../../kernel/network-kernel.ts'
import { networkRefs } from './attachable-endpoints.ts'
import type { AttachableNetwork } from './attachable-network.ts'
import { ClientReplies } from './client-replies.ts'
import { checkEndpoint } from './endpoint-checks.ts'
import { extraHostLines, hostsFile, resolvConf, type ResolverSettings } from './container-files.ts'
import { ContainerNames } from './container-names.ts'
import type { ContainerSandbox, NetworkedContainer } from './container-networks.ts'
import type { DnsServer } from './dns-server.ts'
import { endpointJson, portsJson } from './network-json.ts'
import type { NetworkRegistry } from './network-registry.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './network-records.ts'
import type { Overlays } from './overlays.ts'
import { checkPorts, type PortPublisher } from './port-publisher.ts'
import { replyPaths, type ReplyPaths } from './reply-paths.ts'
import { LINK_PREFIX, type Joining, type Sandboxes } from './sandboxes.ts'

export interface AttachmentParts {
  readonly kernel: NetworkKernel
  readonly registry: NetworkRegistry
  readonly overlays: Overlays
  readonly sandboxes: Sandboxes
  readonly publisher: PortPublisher
  readonly dns: DnsServer
  readonly logger: Logger
  readonly netnsFolder: string
  /** Read anew each time: the host's resolver may change. */
  readonly hostResolver: () => ResolverSettings
  /** Text of the host's /etc/hosts, for containers in its namespace. */
  readonly hostHosts: () => string
  /** Addresses for "host-gateway"; empty: the default bridge's. */
  readonly hostGateways: readonly string[]
}

/** Which networks a container gets, and its life on them. Callers let one change end before the next begins; only detach() may come in between. */
export class ContainerAttachments implements AsyncDisposable {
  readonly #parts: AttachmentParts
  readonly #names: ContainerNames
  readonly #replies: ClientReplies

  constructor(parts: AttachmentParts) {
    this.#parts = parts
    this.#replies = new ClientReplies(parts.kernel)
    this.#names = new ContainerNames({
      sandboxes: parts.sandboxes, overlayTable: id => parts.overlays.get(id)?.table, 
      isNameless: endpoint => endpoint.isHidden || endpoint.networkName === 'bridge' || parts.overlays.get(endpoint.networkId)?.table.ingress === true,
    })
  }

  members(networkId: string): ReturnType<Sandboxes['members']> { return this.#parts.sandboxes.members(networkId) }
  has(containerId: string): boolean { return this.#parts.sandboxes.get(containerId) !== undefined }
  endpoints(containerId: string): readonly EndpointRecord[] {
    return (this.#parts.sandboxes.get(containerId)?.endpoints ?? []).filter(endpoint => !endpoint.isHidden)
  }

  rename(containerId: string, name: string): void {
    for (const endpoint of this.#parts.sandboxes.rename(containerId, name)?.endpoints ?? []) this.#names.invalidate(endpoint.networkId)
  }

  /** The overlay's table is another one. */
  async tableChanged(networkId: string): Promise<void> {
    this.#names.invalidate(networkId)
    if (this.#parts.overlays.get(networkId)?.table.ingress !== true) return
    for (const { container } of this.members(networkId)) await this.#changeReplies(container.id)
  }

  /** @throws `no-such-network` (not-found), `invalid-network-mode`, `invalid-port` */
  validate(container: NetworkedContainer): void {
    checkPorts(container)
    if (isPlain(container)) this.#joinings(container)
  }

  async attach(container: NetworkedContainer, userns?: UserNamespace): Promise<ContainerSandbox> {
    if (container.mode === 'host') return this.#hostSandbox(container)
    if (container.mode.startsWith('container:')) return this.#sharedSandbox(container)
    await this.detach(container.id)
    const joinings = container.mode === 'none' ? [] : await this.#withGateway(this.#joinings(container))
    const record = await this.#parts.sandboxes.create(container, joinings, userns)
    for (const endpoint of record.endpoints) this.#names.invalidate(endpoint.networkId)
    try {
      await this.#openResolver(record, false)
      await this.#openReplies(record, false)
      return this.#describe(record)
    } catch (error) {
      await this.detach(container.id)
      throw error
    }
  }

  async detach(containerId: string): Promise<void> {
    const record = this.#parts.sandboxes.get(containerId)
    if (record === undefined) return
    this.#parts.dns.close(record.netnsPath)
    this.#replies.forget(record.netnsPath)
    await this.#parts.sandboxes.remove(containerId, id => this.#network(id))
    for (const endpoint of record.endpoints) this.#names.invalidate(endpoint.networkId)
  }

  /** A running container joins one more network. */
  async connect(container: NetworkedContainer, networkId: string, settings: EndpointSettings): Promise<ContainerSandbox> {
    const network = this.#network(networkId)
    const record = this.#parts.sandboxes.get(container.id)
    if (network === undefined || record === undefined) throw new ShoalError('failed-precondition', 'no-sandbox', `container ${container.name} has no network namespace of its own`)
    const known = this.#parts.registry.byId(networkId)
    if (known !== undefined) checkEndpoint(known, settings)
    const current = { ...record, container }
    const joined = await this.#parts.sandboxes.join(current, { network, settings, isHidden: false }, this.#networksOf(current, network))
    const [gateway] = (await this.#withGateway(joined.endpoints.map(endpoint => this.#joiningOf(endpoint)))).slice(joined.endpoints.length)
    const final = gateway === undefined ? joined : await this.#parts.sandboxes.join(joined, gateway, [...this.#networksOf(joined), gateway.network])
    return await this.#changed(final, networkId)
  }

  /** A running container leaves a network. */
  async disconnect(container: NetworkedContainer, networkId: string): Promise<ContainerSandbox> {
    const record = this.#parts.sandboxes.get(container.id)
    const endpoint = record?.endpoints.find(each => each.networkId === networkId)
    const network = this.#network(networkId)
    if (record === undefined || endpoint === undefined || network === undefined) throw new ShoalError('permission-denied', 'not-connected', `container ${container.name} is not connected to network ${networkId}`)
    const left = await this.#parts.sandboxes.leave({ ...record, container }, endpoint, network, this.#networksOf(record))
    if (this.#replyPaths(record) !== undefined && this.#replyPaths(left) === undefined) await this.#replies.close(record.netnsPath)
    return await this.#changed(left, networkId)
  }

  /** Goes on with a disconnect that was cut off after its first step. */
  async finishDisconnect(container: NetworkedContainer, networkId: string): Promise<ContainerSandbox> {
    const record = this.#parts.sandboxes.get(container.id)
    if (record === undefined) throw new ShoalError('failed-precondition', 'no-sandbox', `container ${container.name} has no network namespace of its own`)
    return await this.#changed(await this.#parts.sandboxes.afterLeave({ ...record, container }, this.#networksOf(record)), networkId)
  }

  /** After a restart: what runs goes on, everything else of ours goes. Returns the containers that had an overlay and are gone. */
  async restore(running: readonly NetworkedContainer[], leftAlone: ReadonlySet<string>): Promise<readonly string[]> {
    const names = new Map(running.map(container => [container.id, container.name]))
    const kept = this.#parts.sandboxes.all().filter(record => leftAlone.has(record.container.id))
    for (const { container } of kept) names.set(container.id, container.name)
    const gone: string[] = []
    for (const record of this.#parts.sandboxes.all()) {
      const name = names.get(record.container.id)
      if (name !== undefined && this.#parts.kernel.netns.exists(record.netnsPath)) {
        // A rename may have been cut off between the two records.
        await this.#adopt(name === record.container.name ? record : this.#parts.sandboxes.rename(record.container.id, name) ?? record)
      }
      else {
        if (record.endpoints.some(endpoint => endpoint.driver === 'overlay')) gone.push(record.container.id)
        await this.detach(record.container.id)
      }
    }
    await this.#removeLeftovers()
    return gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.dns[Symbol.asyncDispose]()
    this.#parts.publisher.releaseAll()
  }

  async #adopt(record: SandboxRecord): Promise<void> {
    for (const endpoint of record.endpoints) this.#network(endpoint.networkId)?.addresses.claim(endpoint)
    this.#parts.sandboxes.adopt(record)
    try {
      await this.#openResolver(record, true)
      await this.#openReplies(record, true)
    } catch (err) {
      this.#parts.logger.error('the network of a container could not be taken over after the restart', { container: record.container.id, err })
    }
  }

  /** Namespaces and interfaces that no record knows: a crash came between making and writing, or the other way round. */
  async #removeLeftovers(): Promise<void> {
    const { kernel, netnsFolder, sandboxes, overlays } = this.#parts
    const kept = new Set([...sandboxes.all().map(record => record.netnsPath), ...overlays.all().map(overlay => overlay.sandboxPath)])
    for (const name of kernel.netns.list(netnsFolder)) if (!kept.has(join(netnsFolder, name))) this.#removeNamespace(join(netnsFolder, name))
    const links = new Set(sandboxes.all().flatMap(record => record.endpoints.map(endpoint => endpoint.hostLink)))
    for (const netns of [undefined, ...overlays.all().map(overlay => overlay.sandboxPath)]) {
      for (const { name } of kernel.links.list(netns)) {
        if (name.startsWith(LINK_PREFIX) && name !== `${LINK_PREFIX}ingress` && !links.has(name)) await kernel.links.remove(netns, name)
      }
    }
  }

  #removeNamespace(path: string): void {
    try {
      this.#parts.kernel.netns.remove(path)
    } catch (err) {
      this.#parts.logger.warn('a left-over namespace could not be removed', { path, err })
    }
  }

  async #changed(record: SandboxRecord, networkId: string): Promise<ContainerSandbox> {
    this.#names.invalidate(networkId)
    await this.#openResolver(record, false)
    await this.#changeReplies(record.container.id)
    return this.#describe(record)
  }

  /** The networks a container asks for: that of its mode first, then by name. */
  #joinings(container: NetworkedContainer): readonly Joining[] {
    const byNetwork = new Map<string, Joining>()
    const add = (ref: string, settings: EndpointSettings): void => {
      const network = this.#resolve(ref === 'default' ? 'bridge' : ref)
      const record = this.#parts.registry.byId(network.id)
      if (record !== undefined) checkEndpoint(record, settings)
      const known = byNetwork.get(network.id)
      byNetwork.set(network.id, { network, settings: { ...known?.settings, ...settings }, isHidden: false })
    }
    for (const ref of networkRefs(container)) add(ref, container.endpoints[ref] ?? (ref === 'bridge' ? container.endpoints['default'] : undefined) ?? {})
    return [...byNetwork.values()]
  }

  /** Whoever is only on overlays gets a way out through the gateway bridge, unless all of them are internal. */
  async #withGateway(joinings: readonly Joining[]): Promise<readonly Joining[]> {
    const needsGateway = joinings.every(({ network }) => !network.hasWayOut) && joinings.some(({ network }) => network.driver === 'overlay' && !network.isInternal)
    return needsGateway ? [...joinings, { network: await this.#parts.registry.gatewayBridge(), settings: {}, isHidden: true }] : joinings
  }

  #resolve(ref: string): AttachableNetwork {
    const { registry, overlays } = this.#parts
    const records = registry.records()
    const overlay = overlays.all().find(each => each.id === ref) ?? overlays.all().find(each => each.name === ref)
    const record: NetworkRecord | undefined = registry.byId(ref) ?? registry.byName(ref) ?? (ref.length >= 12 ? records.find(each => each.id.startsWith(ref)) : undefined)
    const network = overlay ?? (record === undefined ? undefined : registry.network(record.id))
    if (network !== undefined) return network
    if (record === undefined) throw new ShoalError('not-found', 'no-such-network', `network ${ref} not found`)
    checkEndpoint(record, {})
    throw new ShoalError('invalid-argument', 'invalid-network-mode', `container cannot be connected to network ${ref} together with other networks`)
  }

  #network(id: string): AttachableNetwork | undefined { return this.#parts.overlays.get(id) ?? this.#parts.registry.network(id) }
  #networksOf(record: SandboxRecord, ...more: readonly AttachableNetwork[]): readonly AttachableNetwork[] {
    return [...record.endpoints.flatMap(endpoint => this.#network(endpoint.networkId) ?? []), ...more]
  }
  #joiningOf(endpoint: EndpointRecord): Joining {
    const network = this.#network(endpoint.networkId)
    if (network === undefined) throw new ShoalError('not-found', 'no-such-network', `network ${endpoint.networkName} not found`)
    return { network, settings: {}, isHidden: endpoint.isHidden }
  }

  #needsResolver(record: SandboxRecord): boolean { return record.endpoints.some(endpoint => !endpoint.isHidden && endpoint.networkName !== 'bridge') }

  async #openResolver(record: SandboxRecord, isAgain: boolean): Promise<void> {
    if (!this.#needsResolver(record) || this.#parts.dns.isOpen(record.netnsPath)) return
    const { container } = record
    await this.#parts.dns.open(record.netnsPath, {
      names: this.#names.of(container.id),
      upstreams: () => (!this.#leadsOutside(container.id) ? [] : container.dns.length > 0 ? container.dns : this.#parts.hostResolver().nameservers),
    }, isAgain)
  }

  /** Whoever is on internal networks alone must not reach outside by way of names either, as in dockerd since 26.0. */
  #leadsOutside(containerId: string): boolean {
    return this.#parts.sandboxes.get(containerId)?.endpoints.some(endpoint => this.#network(endpoint.networkId)?.isInternal !== true) === true
  }

  async #openReplies(record: SandboxRecord, isAgain: boolean): Promise<void> {
    const paths = this.#replyPaths(record)
    if (paths !== undefined) await this.#replies.open(record.netnsPath, paths, { isAgain, previous: isAgain ? this.#replyPaths(record, id => this.#parts.overlays.previousTable(id)) : undefined })
  }

  /** A container whose namespace resists must not keep the others from what they need; the next table tries again. */
  async #changeReplies(containerId: string): Promise<void> {
    const record = this.#parts.sandboxes.get(containerId)
    const paths = record === undefined ? undefined : this.#replyPaths(record)
    if (record === undefined || paths === undefined) return
    try {
      await this.#replies.change(record.netnsPath, paths)
    } catch (err) {
      this.#parts.logger.error('replies of a container to clients of the routing mesh may be lost', { container: containerId, err })
    }
  }

  #replyPaths(record: SandboxRecord, tableOf = (id: string): OverlayTable | undefined => this.#parts.overlays.get(id)?.table): ReplyPaths | undefined {
    for (const endpoint of record.endpoints) {
      const table = tableOf(endpoint.networkId)
      if (table?.ingress === true) return replyPaths(table, endpoint)
    }
    return undefined
  }

  #describe(record: SandboxRecord): ContainerSandbox {
    const { container } = record
    const visible = record.endpoints.filter(endpoint => !endpoint.isHidden)
    const endpoints = container.mode === 'none'
      ? { none: this.#bareEndpoint('none') }
      : Object.fromEntries(visible.map(endpoint => [endpoint.networkName, endpointJson({ container, endpoint })]))
    return {
      netnsPath: record.netnsPath, endpoints, ports: record.endpoints.some(endpoint => endpoint.driver === 'bridge') || record.endpoints.length === 0 ? portsJson(container, record.ports) : {},
      hosts: hostsFile(container, { endpoints: record.endpoints, hostGateways: this.#hostGateways(), linked: this.#linked(container) }),
      resolvConf: resolvConf(container, this.#parts.hostResolver(), { isEmbedded: this.#needsResolver(record), hasIpv6: record.endpoints.some(endpoint => (endpoint.address6 ?? '') !== '') }),
    }
  }

  #hostSandbox(container: NetworkedContainer): ContainerSandbox {
    const host = this.#parts.hostResolver()
    const hasOwn = container.dns.length + container.dnsSearch.length + container.dnsOptions.length > 0
    const extra = container.extraHosts.flatMap(each => {
      const line = extraHostLines(each, this.#hostGateways())
      return line.map(text => `${text}\n`)
    })
    return {
      endpoints: { host: this.#bareEndpoint('host') }, ports: {}, hosts: this.#parts.hostHosts() + extra.join(''),
      resolvConf: resolvConf(hasOwn ? container : { ...container, dns: host.nameservers }, host, { isEmbedded: false, hasIpv6: true, isHost: true }),
    }
  }

  #sharedSandbox(container: NetworkedContainer): ContainerSandbox {
    const ref = container.mode.slice('container:'.length)
    const target = this.#parts.sandboxes.all().find(record => record.container.id === ref || record.container.name === ref || (ref.length >= 12 && record.container.id.startsWith(ref)))
    if (target === undefined) throw new ShoalError('conflict', 'no-sandbox', `cannot join network of a non running container: ${ref}`)
    const { hosts, resolvConf: resolver, netnsPath } = this.#describe(target)
    return { ...(netnsPath === undefined ? {} : { netnsPath }), endpoints: {}, ports: {}, hosts, resolvConf: resolver }
  }

  #bareEndpoint(name: string): EndpointSettings {
    return { IPAMConfig: null, Links: null, Aliases: null, MacAddress: '', DriverOpts: null, NetworkID: this.#parts.registry.byName(name)?.id ?? '', EndpointID: '', Gateway: '', IPAddress: '', IPPrefixLen: 0 }
  }

  /** What "host-gateway" stands for: what the daemon was told, or the default bridge's addresses. */
  #hostGateways(): readonly string[] {
    if (this.#parts.hostGateways.length > 0) return this.#parts.hostGateways
    const bridge = this.#parts.registry.byName('bridge')?.bridge
    const own = [bridge?.gateway ?? '', bridge?.ipv6?.gateway ?? ''].filter(ip => ip !== '')
    return own.length > 0 ? own : ['127.0.0.1']
  }

  /** Links on the default bridge are lines of the hosts file, as there is no resolver. */
  #linked(container: NetworkedContainer): readonly { readonly address: string; readonly names: readonly string[] }[] {
    return container.links.flatMap(link => {
      const [target = '', alias = target] = link.replace(/^\//, '').split(':')
      const record = this.#parts.sandboxes.all().find(each => each.container.name === target || each.container.id.startsWith(target))
      const address = record?.endpoints.find(endpoint => endpoint.networkName === 'bridge')?.address
      return record === undefined || address === undefined ? [] : [{ address, names: [alias, record.container.id.slice(0, 12), record.container.name] }]
    })
  }
}

function isPlain(container: NetworkedContainer): boolean {
  return container.mode !== 'host' && container.mode !== 'none' && !container.mode.startsWith('container:')
}
