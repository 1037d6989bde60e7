import type { LocalNetworksOptions } from '../../agent/engine/network/create-local-networks.ts'
import { DEFAULT_ADDRESS_POOLS } from '../../agent/engine/network/ipam.ts'
import { familyOf, parseIp } from '../base/ip-address.ts'
import type { DaemonConfig } from './daemon-config.ts'
import { badConfig } from './settings/setting-types.ts'

type NetworkOptions = Omit<LocalNetworksOptions, 'kernel' | 'execRoot' | 'dataRoot' | 'clock' | 'random' | 'logger' | 'containers' | 'onEvent' | 'overlayAttachments'>

/** What the daemon's configuration says of networks. @throws ShoalError `bad-daemon-config` */
export function networkOptions(config: DaemonConfig): NetworkOptions {
  const { bridge, bip, bip6, fixedCidr, fixedCidrV6, defaultGateway, defaultGatewayV6, ipv6, ip, icc, ipMasq, mtu, dns, dnsSearch, dnsOptions } = config
  if (bip !== '' && bridge !== '') throw badConfig('you specified --bridge and --bip, mutually exclusive options; please specify only one')
  if (parseIp(ip) === undefined) throw badConfig(`invalid IP address: ${ip}`)
  const given = <T>(list: readonly T[]): readonly T[] | undefined => (list.length === 0 ? undefined : list)
  const hostGateways = config.hostGatewayIps.length > 0 ? config.hostGatewayIps : [config.hostGatewayIp].filter(address => address !== '')
  return {
    defaultBridge: { bridge, bip, bip6, fixedCidr, fixedCidrV6, defaultGateway, defaultGatewayV6, ipv6, ip, icc, ipMasq, mtu },
    networkOptions: config.defaultNetworkOptions, hostGateways,
    ...optional('dnsUpstreams', given(dns)), ...optional('dnsSearch', given(dnsSearch)), ...optional('dnsOptions', given(dnsOptions)),
    ...optional('addressPools', poolsOf(config.defaultAddressPools)),
    hasRules: { ipv4: config.iptables, ipv6: config.ip6tables }, forwards: config.ipForward, hasProxy: config.userlandProxy,
  }
}

function optional<K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [key in K]?: T }
}

/** Pools of one family alone leave the other's as they are. */
function poolsOf(texts: readonly string[]): LocalNetworksOptions['addressPools'] | undefined {
  const pools = texts.map(text => {
    const [base = '', size = ''] = text.split(',').map(part => part.slice(part.indexOf('=') + 1))
    return { base, size: Number(size) }
  })
  if (pools.length === 0) return undefined
  return pools.some(pool => familyOf(pool.base) === 4) ? pools : [...DEFAULT_ADDRESS_POOLS, ...pools]
}
