import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf, parseIp } from '../../../src/base/ip-address.ts'
import type { NetworkRecord } from './network-records.ts'
import { isPredefined } from './network-request.ts'

/**
 * Whether a container may join a network of this host with these settings; Docker's rules.
 * @throws `invalid-endpoint` (invalid-argument)
 */
export function checkEndpoint(record: NetworkRecord, settings: EndpointSettings): void {
  const { IPv4Address = '', IPv6Address = '', LinkLocalIPs } = settings.IPAMConfig ?? {}
  if (record.configOnly === true) throw invalid('cannot create endpoint on configuration-only network')
  if (IPv4Address !== '' && parseIp(IPv4Address)?.family !== 4) throw invalid(`invalid IPv4 address: ${IPv4Address}`)
  if (IPv6Address !== '' && parseIp(IPv6Address)?.family !== 6) throw invalid(`invalid IPv6 address: ${IPv6Address}`)
  for (const ip of LinkLocalIPs ?? []) if (parseIp(ip) === undefined) throw invalid(`invalid link-local IP address: ${ip}`)
  if (!/^([0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5})?$/.test(settings.MacAddress ?? '')) throw invalid(`invalid MAC address: ${settings.MacAddress ?? ''}`)
  if (isPredefined(record.name)) {
    if (IPv4Address !== '' || IPv6Address !== '') throw invalid('user specified IP address is supported on user defined networks only')
    if ((settings.Aliases ?? []).length > 0) throw invalid('network-scoped alias is supported only for containers in user defined networks')
    return
  }
  for (const ip of [IPv4Address, IPv6Address]) {
    if (ip !== '' && !hasOwnSubnet(record, familyOf(ip))) throw invalid('user specified IP address is supported only when connecting to networks with user configured subnets')
  }
}

/** A subnet that we chose could be another one after the network is made again. */
function hasOwnSubnet(record: NetworkRecord, family: 4 | 6): boolean {
  return record.hasOwnSubnets === undefined || record.hasOwnSubnets.includes(family)
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-endpoint', message) }
