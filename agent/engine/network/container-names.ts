import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import type { LocalNames } from './dns-answer.ts'
import { bridgeNames, findAddresses, findName, overlayNames, type NameTable } from './name-table.ts'
import type { EndpointRecord } from './network-records.ts'
import type { Sandboxes } from './sandboxes.ts'

/** What a container can resolve: the names of the networks it is on, in the order it joined them. Tables are made when first asked for. */
export class ContainerNames {
  readonly #sandboxes: Sandboxes
  readonly #overlayTable: (networkId: string) => OverlayTable | undefined
  /** Networks whose containers have no names: the default bridge, the gateway bridge, and the ingress network. */
  readonly #isNameless: (endpoint: EndpointRecord) => boolean
  readonly #tables = new Map<string, NameTable>()

  constructor(options: {
    readonly sandboxes: Sandboxes; readonly overlayTable: (networkId: string) => OverlayTable | undefined; readonly isNameless: (endpoint: EndpointRecord) => boolean
  }) {
    this.#sandboxes = options.sandboxes
    this.#overlayTable = options.overlayTable
    this.#isNameless = options.isNameless
  }

  /** To be called when members or the table of a network changed. */
  invalidate(networkId: string): void { this.#tables.delete(networkId) }

  of(containerId: string): LocalNames {
    return {
      addresses: name => {
        const endpoints = this.#endpoints(containerId)
        const tables = endpoints.map(endpoint => this.#table(endpoint))
        return findAddresses(tables, linkTarget(endpoints, name) ?? name)
      },
      reverse: address => findName(this.#endpoints(containerId).map(endpoint => this.#table(endpoint)), address),
    }
  }

  #endpoints(containerId: string): readonly EndpointRecord[] {
    return (this.#sandboxes.get(containerId)?.endpoints ?? []).filter(endpoint => !this.#isNameless(endpoint))
  }

  #table(endpoint: EndpointRecord): NameTable {
    const known = this.#tables.get(endpoint.networkId)
    if (known !== undefined) return known
    const members = this.#sandboxes.members(endpoint.networkId)
    const overlay = this.#overlayTable(endpoint.networkId)
    const table = overlay === undefined ? bridgeNames(endpoint.networkName, members) : overlayNames(overlay, members)
    this.#tables.set(endpoint.networkId, table)
    return table
  }
}

/** A link "target:alias" is a name that only this container knows. */
function linkTarget(endpoints: readonly EndpointRecord[], name: string): string | undefined {
  for (const link of endpoints.flatMap(endpoint => endpoint.links)) {
    const [target = '', alias = target] = link.split(':')
    if (alias.toLowerCase() === name) return target.replace(/^\//, '').toLowerCase()
  }
  return undefined
}
