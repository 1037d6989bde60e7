import type { NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { pickSubnet, type AddressPoolOption } from './ipam.ts'
import { contains, formatCidr, formatIpv4, overlaps, parseCidr, parseIpv4, sizeOf, type Subnet } from './ipv4.ts'
import type { BridgeSettings } from './network-records.ts'

export interface AddressDefaults {
  readonly pools: readonly AddressPoolOption[]
  readonly defaultBridge: BridgeSettings
  readonly mtu: number
}

/** What the daemon is configured with for docker0: "bip" is its address with prefix, e.g. 172.17.0.1/16. */
export function defaultBridgeSettings(options: { readonly name: string; readonly bip: string; readonly mtu: number }): BridgeSettings {
  return {
    name: options.name, subnet: formatCidr(parseCidr(options.bip)), gateway: options.bip.split('/')[0] ?? '', auxiliary: [],
    icc: true, masquerade: true, mtu: options.mtu, hostIp: '0.0.0.0', internal: false,
  }
}

/**
 * The settings of a new bridge from its create request. Pure.
 * @param surroundings what is there: `host` are the host's own addresses, which a subnet of our choosing avoids
 * @throws `subnet-overlaps` (permission-denied, as Docker), `invalid-subnet`, `no-free-subnet`
 */
export function bridgeSettings(request: NetworkCreateRequest, id: string, surroundings: {
  readonly defaults: AddressDefaults; readonly networks: readonly BridgeSettings[]; readonly host: readonly string[]
}): BridgeSettings {
  const [config = {}, ...more] = (request.IPAM?.Config ?? []).filter(each => !(each.Subnet ?? '').includes(':'))
  if (more.length > 0) throw new ShoalError('invalid-argument', 'invalid-subnet', 'bridge networks can have only one subnet')
  const options = request.Options ?? {}
  const taken = surroundings.networks.map(network => network.subnet)
  const subnet = config.Subnet === undefined || config.Subnet === ''
    ? pickSubnet(surroundings.defaults.pools, [...taken, ...surroundings.host])
    : checkSubnet(config.Subnet, taken)
  const name = options['com.docker.network.bridge.name'] ?? `br-${id.slice(0, 12)}`
  checkBridgeName(name, surroundings.networks)
  return {
    name, subnet, gateway: gatewayOf(parseCidr(subnet), config.Gateway), range: config.IPRange === '' ? undefined : config.IPRange,
    auxiliary: Object.values(config.AuxiliaryAddresses ?? {}),
    icc: options['com.docker.network.bridge.enable_icc'] !== 'false',
    masquerade: options['com.docker.network.bridge.enable_ip_masquerade'] !== 'false',
    mtu: Number(options['com.docker.network.driver.mtu'] ?? surroundings.defaults.mtu),
    hostIp: options['com.docker.network.bridge.host_binding_ipv4'] ?? '0.0.0.0',
    internal: request.Internal ?? false,
  }
}

function checkSubnet(cidr: string, taken: readonly string[]): string {
  const subnet = parseCidr(cidr)
  if (formatCidr(subnet) !== cidr) throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid subnet ${cidr}: it should be ${formatCidr(subnet)}`)
  if (sizeOf(subnet) < 4) throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid subnet ${cidr}: it has no room for a gateway and a container`)
  if (taken.some(other => overlaps(subnet, parseCidr(other)))) {
    throw new ShoalError('permission-denied', 'subnet-overlaps', 'invalid pool request: Pool overlaps with other one on this address space')
  }
  return cidr
}

function gatewayOf(subnet: Subnet, wanted: string | undefined): string {
  if (wanted === undefined || wanted === '') return formatIpv4(subnet.base + 1)
  const address = parseIpv4(wanted)
  if (address === undefined || !contains(subnet, address)) throw new ShoalError('invalid-argument', 'invalid-subnet', `no matching subnet for gateway ${wanted}`)
  return wanted
}

/** IFNAMSIZ is 16 with the closing zero. */
function checkBridgeName(name: string, networks: readonly BridgeSettings[]): void {
  if (!/^[^\s/":]{1,15}$/.test(name)) throw new ShoalError('invalid-argument', 'invalid-network', `invalid bridge name "${name}": at most 15 characters, no spaces, slashes, quotes or colons`)
  if (networks.some(network => network.name === name)) throw new ShoalError('permission-denied', 'bridge-in-use', `bridge name ${name} is used by another network`)
}
