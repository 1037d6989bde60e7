import { ShoalError } from '../../../src/base/errors.ts'
import { formatIp, formatIpSubnet, parseIp, parseIpSubnet, subnetHas } from '../../../src/base/ip-address.ts'
import { DriverOptions } from './driver-option.ts'
import type { SubnetSettings } from './network-pools.ts'
import type { BridgeSettings } from './network-records.ts'

/** What the daemon is configured with for its default bridge; names follow dockerd's settings. Empty texts: not given. */
export interface DefaultBridgeOptions {
  /** Name of the interface; it is made, unless it is another than docker0: then it has to be there. */
  readonly bridge: string
  /** Address with prefix, e.g. 172.17.0.1/16. */
  readonly bip: string
  readonly bip6: string
  readonly fixedCidr: string
  readonly fixedCidrV6: string
  readonly defaultGateway: string
  readonly defaultGatewayV6: string
  readonly ipv6: boolean
  readonly ip: string
  readonly icc: boolean
  readonly ipMasq: boolean
  readonly mtu: number
  /** default-network-opts for the driver bridge. */
  readonly options: Readonly<Record<string, string>>
}

/** As dockerd's. */
export const DEFAULT_BRIDGE: DefaultBridgeOptions = {
  bridge: '', bip: '', bip6: '', fixedCidr: '', fixedCidrV6: '', defaultGateway: '', defaultGatewayV6: '', ipv6: false, ip: '0.0.0.0', icc: true, ipMasq: true, mtu: 1500, options: {},
}
const DEFAULT_BIP = '172.17.0.1/16'
export const DEFAULT_BRIDGE_NAME = 'docker0'

/** @param ula where IPv6 addresses come from when none are given @throws `bad-daemon-config` (invalid-argument) */
export function defaultBridgeSettings(options: DefaultBridgeOptions, ula: string): BridgeSettings {
  const own = new DriverOptions(options.options)
  return {
    name: options.bridge === '' ? DEFAULT_BRIDGE_NAME : options.bridge,
    ...subnetOf({ address: options.bip === '' ? DEFAULT_BIP : options.bip, fixed: options.fixedCidr, gateway: options.defaultGateway }),
    ...(options.ipv6 ? { ipv6: ipv6Of(options, ula) } : {}),
    icc: options.icc && own.flag('com.docker.network.bridge.enable_icc', true),
    masquerade: options.ipMasq, mtu: options.mtu === 0 ? 1500 : options.mtu, hostIp: options.ip, internal: false,
    gatewayMode: 'nat', gatewayMode6: 'nat', hasNoAddress: false, linkPrefix: 'eth', trusted: [], isForeign: options.bridge !== '' && options.bridge !== DEFAULT_BRIDGE_NAME,
  }
}

/** As for IPv4; a fixed-cidr-v6 alone is the subnet, and neither of them leaves a piece of our own range. */
function ipv6Of(options: DefaultBridgeOptions, ula: string): SubnetSettings {
  const whole = options.fixedCidrV6 === '' ? `${ula.replace(/\/.*/, '')}/64` : options.fixedCidrV6
  const { family, base, prefix } = parseIpSubnet(whole)
  const first = `${formatIp({ family, value: base + 1n })}/${prefix}`
  return subnetOf({ address: options.bip6 === '' ? first : options.bip6, fixed: options.fixedCidrV6, gateway: options.defaultGatewayV6 })
}

function subnetOf({ address, fixed, gateway }: { readonly address: string; readonly fixed: string; readonly gateway: string }): SubnetSettings {
  const subnet = parseIpSubnet(address)
  const own = address.split('/')[0] ?? ''
  if (gateway !== '') {
    const ip = parseIp(gateway)
    if (ip === undefined || !subnetHas(subnet, ip)) throw new ShoalError('invalid-argument', 'bad-daemon-config', `default gateway ${gateway} is not in the subnet ${formatIpSubnet(subnet)} of the default bridge`)
  }
  return {
    subnet: formatIpSubnet(subnet), gateway: own, auxiliary: gateway === '' ? [] : [gateway],
    ...(fixed === '' || fixed === formatIpSubnet(subnet) ? {} : { range: fixed }),
    ...(gateway === '' ? {} : { routeGateway: gateway }),
  }
}
