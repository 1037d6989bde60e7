import type { OverlayTable } from '../../../src/api/engine/overlay.ts'
import { familyOf } from '../../../src/base/ip-address.ts'
import type { NetworkedContainer } from './container-networks.ts'
import type { EndpointRecord } from './network-records.ts'

/** The names of one network. Names are in lower case, without a dot at the end. */
export interface NameTable {
  readonly network: string
  readonly addresses: ReadonlyMap<string, readonly string[]>
  readonly names: ReadonlyMap<string, string>
}

export interface NamedEndpoint { readonly container: NetworkedContainer; readonly endpoint: EndpointRecord }

/** Container names, short ids and aliases of a bridge network. */
export function bridgeNames(network: string, members: readonly NamedEndpoint[]): NameTable {
  return build(network, members.map(localEntry))
}

/**
 * An overlay's names: services (to their virtual IP, or all backends), tasks.<service>, tasks by name; and containers of this host that
 * the table does not know. A name that is known but has nobody behind it answers with nothing rather than being asked elsewhere.
 */
export function overlayNames(table: OverlayTable, members: readonly NamedEndpoint[]): NameTable {
  const known = new Set(table.endpoints.map(endpoint => endpoint.address))
  return build(table.name, [
    ...table.services.flatMap(service => service.names.flatMap(name => [
      { names: [name], addresses: service.virtualIp === '' ? service.backends : [service.virtualIp] },
      { names: [`tasks.${name}`], addresses: service.backends },
    ])),
    ...table.endpoints.map(endpoint => ({ names: endpoint.names, addresses: endpoint.ready ? [endpoint.address] : [] })),
    ...members.filter(({ endpoint }) => !known.has(endpoint.address)).map(localEntry),
  ])
}

/** `name`, or `name.network` for a name of that network; undefined when it is none of ours. */
export function findAddresses(tables: readonly NameTable[], name: string): readonly string[] | undefined {
  for (const table of tables) {
    const addresses = table.addresses.get(name) ?? inNetwork(table, name)
    if (addresses !== undefined) return addresses
  }
  return undefined
}

/** The full name of an address. */
export function findName(tables: readonly NameTable[], address: string): string | undefined {
  for (const table of tables) {
    const name = table.names.get(address)
    if (name !== undefined) return `${name}.${table.network}`
  }
  return undefined
}

function inNetwork(table: NameTable, name: string): readonly string[] | undefined {
  const suffix = `.${table.network.toLowerCase()}`
  return name.endsWith(suffix) ? table.addresses.get(name.slice(0, -suffix.length)) : undefined
}

function localEntry({ container, endpoint }: NamedEndpoint): { readonly names: readonly string[]; readonly addresses: readonly string[] } {
  return { names: [container.name, container.id.slice(0, 12), ...endpoint.aliases], addresses: [endpoint.address, endpoint.address6 ?? ''].filter(ip => ip !== '') }
}

function build(network: string, entries: readonly { readonly names: readonly string[]; readonly addresses: readonly string[] }[]): NameTable {
  const addresses = new Map<string, string[]>()
  const names = new Map<string, string>()
  for (const entry of entries) {
    for (const name of new Set(entry.names.filter(each => each !== '').map(each => each.toLowerCase()))) {
      addresses.set(name, [...new Set([...addresses.get(name) ?? [], ...entry.addresses])])
    }
    const [first] = entry.names
    // A name of several containers is no name of one address.
    if (first === undefined || first.startsWith('tasks.') || new Set(entry.addresses.map(familyOf)).size !== entry.addresses.length) continue
    for (const address of entry.addresses) if (!names.has(address)) names.set(address, first)
  }
  return { network, addresses, names }
}
