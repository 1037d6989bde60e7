import type { Network, NetworkAttachment, Node, Service, Task } from '../../src/api/swarm/objects.ts'
import { isTaskLive } from '../../src/api/swarm/task-state.ts'
import type { StoreView, StoreWrite } from '../store/object-store.ts'
import { AddressSpace } from './address-space.ts'
import { isAddressed } from './network-roles.ts'

/**
 * One decision in the making: what the objects of the view use, plus what this decision gives out.
 * Who uses what is read from the objects alone, so nothing can leak: an object that is gone or finished uses nothing (L14).
 */
export class Allocation {
  readonly view: StoreView
  readonly #networks: Map<string, Network>
  readonly #services: Map<string, Service>
  readonly #changed = new Map<string, StoreWrite>()
  readonly #gaveOut = new Set<string>()
  #spaces: Map<string, AddressSpace> | undefined

  constructor(view: StoreView) {
    this.view = view
    this.#networks = new Map(view.list('network').map(network => [network.id, network]))
    this.#services = new Map(view.list('service').map(service => [service.id, service]))
  }

  networks(): Iterable<Network> { return this.#networks.values() }
  services(): Iterable<Service> { return this.#services.values() }
  network(id: string): Network | undefined { return this.#networks.get(id) }
  service(id: string): Service | undefined { return this.#services.get(id) }
  ingress(): Network | undefined {
    for (const network of this.#networks.values()) if (network.spec?.ingress === true) return network
    return undefined
  }

  putNetwork(network: Network): void {
    this.#networks.set(network.id, network)
    this.#changed.set(network.id, { action: 'update', kind: 'network', object: network })
  }
  putService(service: Service): void {
    this.#services.set(service.id, service)
    this.#changed.set(service.id, { action: 'update', kind: 'service', object: service })
  }
  putNode(node: Node): void { this.#changed.set(node.id, { action: 'update', kind: 'node', object: node }) }
  putTask(task: Task): void { this.#changed.set(task.id, { action: 'update', kind: 'task', object: task }) }

  /** The wanted address of a network, or else the next free one, as CIDR; undefined when it is taken, or the network full. */
  takeAddress(networkId: string, wanted = ''): string | undefined {
    // Read from the objects only when the first address is asked for: most decisions need none.
    this.#spaces ??= this.#collectSpaces()
    const space = this.#spaces.get(networkId)
    const address = wanted === '' ? space?.take() : space?.takeWanted(wanted)
    if (address !== undefined && wanted === '') this.#gaveOut.add(networkId)
    return address
  }

  /** Gives back what an allocation that could not be completed had taken. */
  releaseAddress(networkId: string, cidr: string): void { this.#spaces?.get(networkId)?.release(cidr) }

  /** Everything to write; only if something was given to an object do the networks' serial positions move. */
  writes(): StoreWrite[] {
    if (this.#changed.size === 0) return []
    for (const networkId of this.#gaveOut) {
      const network = this.#networks.get(networkId)
      const lastOffset = this.#spaces?.get(networkId)?.lastOffset ?? 0
      if (network?.state === undefined || network.state.lastOffset === lastOffset) continue
      this.putNetwork({ ...network, state: { ...network.state, lastOffset } })
    }
    return [...this.#changed.values()]
  }

  #collectSpaces(): Map<string, AddressSpace> {
    const spaces = new Map<string, AddressSpace>()
    for (const network of this.#networks.values()) if (isAddressed(network)) spaces.set(network.id, new AddressSpace(network))
    const reserve = (attachment: NetworkAttachment): void => {
      for (const address of attachment.addresses) spaces.get(attachment.networkId)?.reserve(address)
    }
    for (const service of this.#services.values()) {
      for (const vip of service.endpoint?.virtualIps ?? []) spaces.get(vip.networkId)?.reserve(vip.address)
    }
    for (const node of this.view.list('node')) node.attachments.forEach(reserve)
    for (const task of this.view.list('task')) if (task.networks.length > 0 && isTaskLive(task)) task.networks.forEach(reserve)
    return spaces
  }
}
