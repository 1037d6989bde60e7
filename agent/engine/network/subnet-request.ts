import type { IPAMConfig, NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf, formatIp, formatIpSubnet, parseIp, parseIpSubnet, subnetHas, subnetSize, subnetsOverlap, type IpSubnet } from '../../../src/base/ip-address.ts'
import { pickSubnet, type AddressPoolOption } from './ipam.ts'
import type { SubnetSettings } from './network-pools.ts'

/** What is there already: `networks` are subnets of other networks, `host` the host's own, which a subnet of our choosing avoids. */
export interface Surroundings { readonly pools: readonly AddressPoolOption[]; readonly networks: readonly string[]; readonly host: readonly string[] }

/**
 * The subnets a new network is to have, IPv4 first. Pure.
 * @throws `subnet-overlaps` (permission-denied, as Docker), `invalid-subnet`, `no-free-subnet`
 */
export function requestedSubnets(request: NetworkCreateRequest, surroundings: Surroundings): readonly SubnetSettings[] {
  const configs = (request.IPAM?.Config ?? []).filter(config => (config.Subnet ?? '') !== '' || (config.Gateway ?? '') !== '' || (config.IPRange ?? '') !== '')
  const taken = [...surroundings.networks]
  const subnets: SubnetSettings[] = []
  for (const family of [4, 6] as const) {
    if (!isEnabled(request, family)) continue
    const own = configs.filter(config => familyOf(config.Subnet ?? config.Gateway ?? '') === family)
    for (const config of own.length > 0 ? own : [{}]) {
      const settings = subnetSettings(config, family, { ...surroundings, networks: taken })
      taken.push(settings.subnet)
      subnets.push(settings)
    }
  }
  return subnets
}

export function isEnabled(request: NetworkCreateRequest, family: 4 | 6): boolean {
  return family === 4 ? request.EnableIPv4 !== false : request.EnableIPv6 === true
}

function subnetSettings(config: IPAMConfig, family: 4 | 6, { pools, networks, host }: Surroundings): SubnetSettings {
  const subnet = (config.Subnet ?? '') === ''
    ? pickSubnet(pools.filter(pool => familyOf(pool.base) === family), [...networks, ...host])
    : checkedSubnet(config.Subnet ?? '', networks)
  const range = (config.IPRange ?? '') === '' ? undefined : config.IPRange
  if (range !== undefined) checkRange(range, parseIpSubnet(subnet))
  const auxiliary = Object.values(config.AuxiliaryAddresses ?? {})
  return { subnet, gateway: gatewayOf(parseIpSubnet(subnet), config.Gateway ?? '', { range, auxiliary }), range, auxiliary }
}

function checkedSubnet(cidr: string, taken: readonly string[]): string {
  const subnet = subnetOf(cidr)
  const exact = formatIpSubnet(subnet)
  if (exact !== formatIpSubnet({ ...subnet, base: parseIp(cidr.split('/')[0] ?? '')?.value ?? 0n })) throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid network config:\ninvalid subnet ${cidr}: it should be ${exact}`)
  if (subnetSize(subnet) < 4n) throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid subnet ${cidr}: it has no room for a gateway and a container`)
  if (taken.some(other => subnetsOverlap(subnet, parseIpSubnet(other)))) {
    throw new ShoalError('permission-denied', 'subnet-overlaps', 'invalid pool request: Pool overlaps with other one on this address space')
  }
  return exact
}

function subnetOf(cidr: string): IpSubnet {
  try {
    return parseIpSubnet(cidr)
  } catch (cause) {
    throw new ShoalError('invalid-argument', 'invalid-subnet', `invalid network config:\ninvalid subnet ${cidr}: invalid CIDR block notation`, { cause })
  }
}

function checkRange(range: string, subnet: IpSubnet): void {
  const { family, base, prefix } = parseIpSubnet(range)
  if (!subnetHas(subnet, { family, value: base }) || prefix < subnet.prefix) throw new ShoalError('invalid-argument', 'invalid-subnet', `no matching subnet for range ${range}`)
}

/** The first address that is not set aside, of the range if there is one, as Docker takes it. */
function gatewayOf(subnet: IpSubnet, wanted: string, { range, auxiliary }: { readonly range: string | undefined; readonly auxiliary: readonly string[] }): string {
  if (wanted !== '') {
    const ip = parseIp(wanted.split('/')[0] ?? '')
    if (ip === undefined || !subnetHas(subnet, ip)) throw new ShoalError('invalid-argument', 'invalid-subnet', `no matching subnet for gateway ${wanted}`)
    return formatIp(ip)
  }
  const { family, base } = range === undefined ? subnet : parseIpSubnet(range)
  for (let value = base; ; value += 1n) {
    const address = formatIp({ family, value })
    if (value !== subnet.base && !auxiliary.includes(address)) return address
  }
}
