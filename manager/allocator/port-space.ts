import type { Service } from '../../src/api/swarm/objects.ts'
import type { PortConfig, PortProtocol } from '../../src/api/swarm/specs.ts'

const DYNAMIC_MIN = 30_000
const DYNAMIC_MAX = 32_767

/** The ports published on every node (ingress mode), by protocol. Host-mode ports are each node's own business (L06). */
export class PortSpace {
  readonly #owners = new Map<string, string>()

  constructor(services: Iterable<Service>) {
    for (const service of services) for (const port of service.endpoint?.ports ?? []) this.#own(service.id, port)
  }

  /**
   * The service's ports with every 0 filled in: a dynamic port it had before is kept.
   * @returns undefined when an explicit port belongs to another service or no dynamic one is left
   */
  assign(service: Service): readonly PortConfig[] | undefined {
    this.#release(service.id)
    const previous = [...service.endpoint?.ports ?? []]
    const ports: PortConfig[] = []
    for (const port of explicitFirst(service.spec?.endpoint?.ports ?? [])) {
      const assigned = port.publishMode === 'ingress' ? this.#assignOne(service.id, port, previous) : port
      if (assigned === undefined) {
        this.#release(service.id)
        for (const old of service.endpoint?.ports ?? []) this.#own(service.id, old)
        return undefined
      }
      ports.push(assigned)
    }
    return ports
  }

  #assignOne(serviceId: string, port: PortConfig, previous: PortConfig[]): PortConfig | undefined {
    const publishedPort = port.publishedPort !== 0 ? port.publishedPort : this.#kept(port, previous) ?? this.#lowestFree(port.protocol)
    if (publishedPort === undefined || this.#owners.has(`${port.protocol}/${publishedPort}`)) return undefined
    const assigned = { ...port, publishedPort }
    this.#own(serviceId, assigned)
    return assigned
  }

  #kept(port: PortConfig, previous: PortConfig[]): number | undefined {
    const at = previous.findIndex(old => old.publishMode === 'ingress' && old.protocol === port.protocol && old.targetPort === port.targetPort
      && !this.#owners.has(`${old.protocol}/${old.publishedPort}`))
    return at < 0 ? undefined : previous.splice(at, 1)[0]?.publishedPort
  }

  #lowestFree(protocol: PortProtocol): number | undefined {
    for (let port = DYNAMIC_MIN; port <= DYNAMIC_MAX; port++) if (!this.#owners.has(`${protocol}/${port}`)) return port
    return undefined
  }

  #own(serviceId: string, port: PortConfig): void {
    if (port.publishMode === 'ingress' && port.publishedPort !== 0) this.#owners.set(`${port.protocol}/${port.publishedPort}`, serviceId)
  }

  #release(serviceId: string): void {
    for (const [key, owner] of this.#owners) if (owner === serviceId) this.#owners.delete(key)
  }
}

/** A dynamic port must not take what the same service asks for by number. */
function explicitFirst(ports: readonly PortConfig[]): PortConfig[] {
  return [...ports.filter(port => port.publishedPort !== 0), ...ports.filter(port => port.publishedPort === 0)]
}
