import type { EndpointSettings, EventMessage, Network, NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { Clock } from '../../../src/base/clock.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Networks } from '../engine.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { Mutex } from '../mutex.ts'
import type { UserNamespace } from '../../kernel/netns.ts'
import { AttachableEndpoints, modeNetwork, networkRefs } from './attachable-endpoints.ts'
import type { ContainerAttachments } from './container-attachments.ts'
import type { ConnectableContainers, ContainerNetworks, ContainerSandbox, NetworkedContainer } from './container-networks.ts'
import type { IngressGateway } from './ingress-gateway.ts'
import { matchesList, matchesPrune, type Filters } from './network-filters.ts'
import { networkJson, overlayJson, servicesJson } from './network-json.ts'
import type { NetworkRegistry } from './network-registry.ts'
import { isPredefined } from './network-request.ts'
import type { NetworkRecord } from './network-records.ts'
import type { OverlayAttachments } from './overlay-attachments.ts'
import type { OverlayNetwork } from './overlay-network.ts'
import type { Overlays } from './overlays.ts'

export interface LocalNetworksParts {
  readonly registry: NetworkRegistry
  readonly overlays: Overlays
  readonly attachments: ContainerAttachments
  readonly ingress: IngressGateway
  readonly clock: Clock
  readonly containers: () => ConnectableContainers
  readonly onEvent: (event: EventMessage) => void
  readonly overlayAttachments: OverlayAttachments | undefined
}

type Found = { readonly kind: 'local'; readonly record: NetworkRecord } | { readonly kind: 'overlay'; readonly network: OverlayNetwork }

/** All networking of one host: the Engine API's networks, and what containers need of them. Changes are made one after the other, except that a container may go at any time. */
export class LocalNetworks implements Networks, ContainerNetworks, AsyncDisposable {
  readonly #parts: LocalNetworksParts
  readonly #changes = new Mutex()
  /** Connects and disconnects of one container, which change one list. */
  readonly #ofContainer = new KeyedMutex()
  readonly #endpoints: AttachableEndpoints

  constructor(parts: LocalNetworksParts) {
    this.#parts = parts
    this.#endpoints = new AttachableEndpoints(parts.overlayAttachments, ref => this.#lookup(ref)?.kind ?? 'unknown')
  }

  async create(request: NetworkCreateRequest): Promise<{ readonly Id: string; readonly Warning: string }> {
    const name = request.Name ?? ''
    const record = await this.#changes.run(async () => {
      if (this.#parts.overlays.all().some(network => network.name === name)) throw new ShoalError('conflict', 'network-exists', `network with name ${name} already exists`)
      return await this.#parts.registry.create(request)
    })
    this.#emit('create', { id: record.id, name: record.name, type: record.driver })
    return { Id: record.id, Warning: '' }
  }

  async inspect(ref: string, options: { readonly verbose?: boolean } = {}): Promise<Network> {
    const found = this.#find(ref)
    return { ...this.#json(found), ...(options.verbose === true && found.kind === 'overlay' ? servicesJson(found.network.table) : {}) }
  }

  async list(filters: Filters = {}): Promise<readonly Network[]> {
    return this.#all().map(found => this.#json(found)).filter(network => matchesList(network, filters))
  }

  async remove(ref: string): Promise<void> { await this.#changes.run(() => this.#removeNow(ref)) }

  async #removeNow(ref: string): Promise<void> {
    const found = this.#find(ref)
    if (found.kind === 'overlay') throw new ShoalError('failed-precondition', 'overlay-network', `network ${found.network.name} belongs to the cluster; remove it on a manager`)
    const { record } = found
    const [member] = this.#parts.attachments.members(record.id)
    if (member !== undefined && !isPredefined(record.name)) throw inUse(record.name, member.container.name, member.endpoint.id)
    if (this.#parts.ingress.isUsing(record.id)) throw inUse(record.name, 'ingress-sbox', record.id)
    await this.#parts.registry.remove(record)
    this.#emit('destroy', { id: record.id, name: record.name, type: record.driver })
  }

  async connect(ref: string, containerRef: string, wish: EndpointSettings = {}): Promise<void> {
    if (containerRef === '') throw new ShoalError('invalid-argument', 'no-such-container', 'invalid name or ID supplied: ""')
    const { container: { id } } = await this.#parts.containers().find(containerRef)
    await this.#ofContainer.run(id, () => this.#connectNow(ref, id, wish))
  }

  async #connectNow(ref: string, containerId: string, wish: EndpointSettings): Promise<void> {
    const { container, isRunning } = await this.#parts.containers().find(containerId)
    const known = this.#lookup(ref)
    if (known !== undefined) {
      checkConnectable(container, this.#identity(known))
      this.#checkNotOn(container, this.#identity(known))
    }
    if (!isRunning) {
      const name = known === undefined ? await this.#endpoints.checked(ref) : this.#identity(known).name
      await this.#parts.containers().endpointsChanged(container.id, { ...container, endpoints: { ...this.#listed(container), [name]: wish } }, undefined)
      return
    }
    const settings = await this.#endpoints.completeOne(container, ref, wish)
    const network = this.#identity(this.#find(ref))
    const wanted = { ...this.#listed(container), [network.name]: wish }
    await this.#parts.containers().endpointsChanged(container.id, { ...container, endpoints: wanted }, await this.#joinNow({ ...container, endpoints: wanted }, network.id, settings))
    this.#emit('connect', { ...network, container: container.id })
  }

  /** On a host without a default bridge (bridge: none) a container that asks for nothing else has a loopback alone. */
  #withoutDefault(container: NetworkedContainer): NetworkedContainer {
    if (modeNetwork(container) !== 'bridge' || this.#lookup('bridge') !== undefined) return container
    return { ...container, hasLeftMode: true, endpoints: Object.fromEntries(Object.entries(container.endpoints).filter(([ref]) => ref !== 'bridge' && ref !== 'default')) }
  }

  /** Its endpoints, with that of its mode as its mode names it: one that is stopped is told of by this list alone. */
  #listed(container: NetworkedContainer): NetworkedContainer['endpoints'] {
    const ofMode = container.hasLeftMode === true ? undefined : this.#lookup(modeNetwork(container))
    if (ofMode === undefined) return container.endpoints
    const { id, name } = this.#identity(ofMode)
    return Object.keys(container.endpoints).some(key => key === name || key === id || (name === 'bridge' && key === 'default')) ? container.endpoints : { [modeNetwork(container)]: {}, ...container.endpoints }
  }

  #checkNotOn(container: NetworkedContainer, network: { readonly id: string; readonly name: string }): void {
    const ofMode = container.hasLeftMode === true ? undefined : this.#lookup(modeNetwork(container))
    const isOn = Object.keys(container.endpoints).some(key => key === network.name || key === network.id) || (ofMode !== undefined && this.#identity(ofMode).id === network.id)
    if (isOn || this.#parts.attachments.members(network.id).some(member => member.container.id === container.id)) {
      throw new ShoalError('permission-denied', 'already-connected', `endpoint with name ${container.name} already exists in network ${network.name}`)
    }
  }

  async #joinNow(container: NetworkedContainer, networkId: string, settings: EndpointSettings): Promise<ContainerSandbox> {
    try {
      return await this.#changes.run(() => this.#parts.attachments.connect(container, networkId, settings))
    } catch (error) {
      await this.#endpoints.release(container.id, networkId)
      throw error
    }
  }

  async disconnect(ref: string, containerRef: string, force: boolean): Promise<void> {
    const network = this.#identity(this.#find(ref))
    const { container: { id } } = await this.#findOrForget(network.id, containerRef, force)
    await this.#ofContainer.run(id, () => this.#disconnectNow(network, id, force))
  }

  async #disconnectNow(network: { readonly id: string; readonly name: string; readonly type: string }, containerId: string, force: boolean): Promise<void> {
    const { container, isRunning } = await this.#findOrForget(network.id, containerId, force)
    if (container.mode === 'host') throw new ShoalError('invalid-argument', 'host-network', 'container cannot be disconnected from host network or connected to host network')
    const left = this.#without(container, network)
    const isMember = this.#parts.attachments.members(network.id).some(member => member.container.id === container.id)
    if (!isMember && left.hasLeftMode === (container.hasLeftMode === true) && Object.keys(left.endpoints).length === Object.keys(container.endpoints).length) {
      throw new ShoalError('permission-denied', 'not-connected', `container ${container.id} is not connected to network ${network.name}`)
    }
    const sandbox = isRunning && isMember ? await this.#changes.run(() => this.#parts.attachments.disconnect(left, network.id)) : undefined
    if (network.type === 'overlay') await this.#endpoints.release(container.id, network.id)
    await this.#parts.containers().endpointsChanged(container.id, left, sandbox)
    if (isRunning) this.#emit('disconnect', { ...network, container: container.id })
  }

  async prune(filters: Filters): Promise<{ readonly NetworksDeleted: readonly string[] }> {
    return await this.#changes.run(async () => {
      const nowMs = this.#parts.clock.nowMs()
      const unused = this.#parts.registry.records().filter(record => !isPredefined(record.name) && this.#parts.attachments.members(record.id).length === 0 && !this.#parts.ingress.isUsing(record.id))
        .filter(record => matchesPrune(networkJson(record, []), filters, nowMs))
      for (const record of unused) await this.#removeNow(record.id)
      return { NetworksDeleted: unused.map(record => record.name) }
    })
  }

  async applyOverlay(table: OverlayTable): Promise<void> {
    await this.#changes.run(async () => {
      await this.#parts.overlays.apply(table)
      await this.#parts.attachments.tableChanged(table.networkId)
    })
  }

  async removeOverlay(networkId: string): Promise<void> {
    await this.#changes.run(async () => {
      const [member] = this.#parts.attachments.members(networkId)
      if (member !== undefined) {
        const { code, message } = inUse(member.endpoint.networkName, member.container.name, member.endpoint.id)
        throw new ShoalError('conflict', code, message)
      }
      await this.#parts.overlays.remove(networkId)
    })
  }

  overlayRevisions(): ReadonlyMap<string, number> {
    return new Map(this.#parts.overlays.all().map(network => [network.id, network.table.revision]))
  }

  async attach(container: NetworkedContainer, userns?: UserNamespace): Promise<ContainerSandbox> {
    const complete = await this.#endpoints.complete(this.#withoutDefault(container))
    const sandbox = await this.#attachNow(complete, userns)
    for (const { networkId, networkName, driver } of this.#parts.attachments.endpoints(container.id)) {
      this.#emit('connect', { id: networkId, name: networkName, type: driver, container: container.id })
    }
    return sandbox
  }

  async #attachNow(container: NetworkedContainer, userns: UserNamespace | undefined): Promise<ContainerSandbox> {
    try {
      return await this.#changes.run(() => this.#parts.attachments.attach(container, userns))
    } catch (error) {
      await this.#endpoints.release(container.id)
      throw error
    }
  }

  async detach(containerId: string): Promise<void> {
    const endpoints = this.#parts.attachments.endpoints(containerId)
    // Not in turn with the other changes: many containers that go at once are taken down at once (D-380).
    await this.#parts.attachments.detach(containerId)
    if (endpoints.some(endpoint => endpoint.driver === 'overlay')) await this.#endpoints.release(containerId)
    for (const { networkId, networkName, driver } of endpoints) this.#emit('disconnect', { id: networkId, name: networkName, type: driver, container: containerId })
  }

  async rename(containerId: string, name: string): Promise<void> { await this.#changes.run(async () => this.#parts.attachments.rename(containerId, name)) }

  async validate(container: NetworkedContainer): Promise<void> {
    const present = this.#withoutDefault(container)
    const elsewhere = await this.#endpoints.attachable(present)
    const endpoints = Object.fromEntries(Object.entries(present.endpoints).filter(([ref]) => !elsewhere.has(ref)))
    this.#parts.attachments.validate({ ...present, endpoints, mode: elsewhere.has(container.mode) ? 'bridge' : container.mode })
  }

  async restore(running: readonly { readonly container: NetworkedContainer; readonly sandbox: ContainerSandbox }[], leftAlone: ReadonlySet<string>): Promise<void> {
    const gone = await this.#changes.run(() => this.#parts.attachments.restore(running.map(each => each.container), leftAlone))
    for (const containerId of gone) await this.#endpoints.release(containerId)
    for (const { container } of running) await this.#settle(container)
  }

  /** A connect or disconnect that was cut off: the container's own record tells whether it was on the network, and what is half there goes. */
  async #settle(container: NetworkedContainer): Promise<void> {
    const { attachments } = this.#parts
    const wanted = networkRefs(container).flatMap(ref => { const found = this.#lookup(ref); return found?.kind === 'local' ? [this.#identity(found)] : [] })
    const actual = attachments.endpoints(container.id).filter(endpoint => endpoint.driver !== 'overlay')
    // A network whose record is damaged is unknown, but its containers still have it.
    if (!attachments.has(container.id) || actual.some(endpoint => this.#lookup(endpoint.networkId) === undefined)) return
    for (const { networkId } of actual.filter(endpoint => !wanted.some(network => network.id === endpoint.networkId))) {
      await this.#parts.containers().endpointsChanged(container.id, container, await this.#changes.run(() => attachments.disconnect(container, networkId)))
    }
    for (const network of wanted.filter(each => !actual.some(endpoint => endpoint.networkId === each.id))) {
      const left = this.#without(container, network)
      await this.#parts.containers().endpointsChanged(container.id, left, await this.#changes.run(() => attachments.finishDisconnect(left, network.id)))
    }
  }

  /** The container as it is after it left a network. */
  #without(container: NetworkedContainer, network: { readonly id: string; readonly name: string }): NetworkedContainer {
    const endpoints = Object.fromEntries(Object.entries(container.endpoints).filter(([key]) => key !== network.name && key !== network.id && !(network.name === 'bridge' && key === 'default')))
    const ofMode = container.hasLeftMode === true ? undefined : this.#lookup(modeNetwork(container))
    return { ...container, endpoints, hasLeftMode: container.hasLeftMode === true || (ofMode !== undefined && this.#identity(ofMode).id === network.id) }
  }

  /** Stops answering names and frees what the process holds; containers keep their networks. */
  async [Symbol.asyncDispose](): Promise<void> { await this.#changes.run(() => this.#parts.attachments[Symbol.asyncDispose]()) }

  #all(): readonly Found[] {
    return [
      ...this.#parts.registry.records().map((record): Found => ({ kind: 'local', record })),
      ...this.#parts.overlays.all().map((network): Found => ({ kind: 'overlay', network })),
    ]
  }

  /** By full id, then by name, then by a unique beginning of the id. @throws `no-such-network`, `ambiguous-reference` */
  #find(ref: string): Found {
    const found = this.#lookup(ref)
    if (found === undefined) throw new ShoalError('not-found', 'no-such-network', `network ${ref} not found`)
    return found
  }

  #lookup(ref: string): Found | undefined {
    const all = this.#all().map(found => ({ found, ...this.#identity(found) }))
    const exact = all.find(each => each.id === ref) ?? all.find(each => each.name === ref)
    if (exact !== undefined) return exact.found
    const [first, second] = ref === '' ? [] : all.filter(each => each.id.startsWith(ref))
    if (second !== undefined) throw new ShoalError('invalid-argument', 'ambiguous-reference', `network ${ref} is ambiguous (${all.length} matches found on ID prefix)`)
    return first?.found
  }

  #identity(found: Found): { readonly id: string; readonly name: string; readonly type: string } {
    return found.kind === 'local' ? { id: found.record.id, name: found.record.name, type: found.record.driver } : { id: found.network.id, name: found.network.name, type: 'overlay' }
  }

  #json(found: Found): Network {
    const { id } = this.#identity(found)
    const members = this.#parts.attachments.members(id)
    return found.kind === 'local' ? networkJson(found.record, members) : overlayJson(found.network.table, this.#parts.overlays.createdAt(id), members)
  }

  /** With `force`, a member whose container is gone can still be taken off. */
  async #findOrForget(networkId: string, containerRef: string, force: boolean): Promise<{ readonly container: NetworkedContainer; readonly isRunning: boolean }> {
    const member = this.#parts.attachments.members(networkId).find(({ container }) => container.id === containerRef || container.name === containerRef)
    if (force && member !== undefined) return { container: member.container, isRunning: true }
    return await this.#parts.containers().find(containerRef)
  }

  #emit(action: string, network: { readonly id: string; readonly name: string; readonly type: string; readonly container?: string }): void {
    const nowMs = this.#parts.clock.nowMs()
    this.#parts.onEvent({
      Type: 'network', Action: action, scope: 'local', time: Math.floor(nowMs / 1000), timeNano: nowMs * 1_000_000,
      Actor: { ID: network.id, Attributes: { name: network.name, type: network.type, ...(network.container === undefined ? {} : { container: network.container }) } },
    })
  }
}

function checkConnectable(container: NetworkedContainer, network: { readonly id: string; readonly name: string }): void {
  if (network.name === 'host') throw new ShoalError('invalid-argument', 'host-network', 'container cannot be disconnected from host network or connected to host network')
  if (container.mode === 'host' || container.mode.startsWith('container:')) {
    throw new ShoalError('invalid-argument', 'shared-namespace', 'container sharing network namespace with another container or host cannot be connected to any other network')
  }
  if (container.mode === 'none' || network.name === 'none') throw new ShoalError('invalid-argument', 'none-network', 'container cannot be connected to multiple networks with one of the networks in private (none) mode')
}

function inUse(name: string, container: string, endpoint: string): ShoalError {
  return new ShoalError('permission-denied', 'network-in-use', `error while removing network: network ${name} has active endpoints (name:"${container}" id:"${endpoint.slice(0, 12)}")`)
}
