import type { NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf, parseIp, type Ip } from '../../../src/base/ip-address.ts'
import { DriverOptions } from './driver-option.ts'
import type { AddressPoolOption } from './ipam.ts'
import type { BridgeSettings, GatewayMode } from './network-records.ts'
import { requestedSubnets } from './subnet-request.ts'

export interface AddressDefaults { readonly pools: readonly AddressPoolOption[]; readonly mtu: number }

const MODES = ['nat', 'routed', 'isolated', 'nat-unprotected'] as const

/**
 * The settings of a new bridge from its create request. Pure.
 * @param surroundings what is there: `host` are the host's own addresses, which a subnet of our choosing avoids
 * @throws `subnet-overlaps` (permission-denied, as Docker), `invalid-subnet`, `no-free-subnet`, `invalid-network`
 */
export function bridgeSettings(request: NetworkCreateRequest, id: string, surroundings: {
  readonly defaults: AddressDefaults; readonly networks: readonly BridgeSettings[]; readonly taken: readonly string[]; readonly host: readonly string[]
}): BridgeSettings {
  const options = new DriverOptions(request.Options ?? {})
  const name = options.text('com.docker.network.bridge.name') === '' ? `br-${id.slice(0, 12)}` : options.text('com.docker.network.bridge.name')
  checkBridgeName(name, surroundings.networks)
  checkOnePerFamily(request)
  const isInternal = request.Internal ?? false
  const [mode4, mode6] = [modeOf(options, 4, isInternal), modeOf(options, 6, isInternal)]
  const settings = {
    name,
    icc: options.flag('com.docker.network.bridge.enable_icc', true),
    masquerade: options.flag('com.docker.network.bridge.enable_ip_masquerade', true),
    mtu: mtuOf(options, surroundings.defaults.mtu),
    hostIp: hostIpOf(options.text('com.docker.network.bridge.host_binding_ipv4')),
    internal: isInternal, gatewayMode: mode4, gatewayMode6: mode6,
    hasNoAddress: options.flag('com.docker.network.bridge.inhibit_ipv4', false),
    linkPrefix: options.text('com.docker.network.container_iface_prefix') === '' ? 'eth' : options.text('com.docker.network.container_iface_prefix'),
    trusted: options.text('com.docker.network.bridge.trusted_host_interfaces').split(':').filter(link => link !== ''),
  }
  const subnets = requestedSubnets(request, { pools: surroundings.defaults.pools, networks: surroundings.taken, host: surroundings.host })
  const ipv4 = subnets.find(({ subnet }) => familyOf(subnet) === 4)
  const ipv6 = subnets.find(({ subnet }) => familyOf(subnet) === 6)
  return { ...settings, ...ipv4 ?? { subnet: '', gateway: '', auxiliary: [] }, ...(ipv6 === undefined ? {} : { ipv6 }) }
}

function checkOnePerFamily(request: NetworkCreateRequest): void {
  const families = (request.IPAM?.Config ?? []).map(config => familyOf(config.Subnet ?? ''))
  if (new Set(families).size !== families.length) throw new ShoalError('permission-denied', 'invalid-subnet', "bridge driver doesn't support multiple subnets")
}

function modeOf(options: DriverOptions, family: 4 | 6, isInternal: boolean): GatewayMode {
  const mode = options.choice(`com.docker.network.bridge.gateway_mode_ipv${family}`, MODES, 'nat')
  if (mode === 'isolated' && !isInternal) throw new ShoalError('invalid-argument', 'invalid-network', 'gateway mode \'isolated\' can only be used for an internal network')
  return mode
}

function mtuOf(options: DriverOptions, fallback: number): number {
  const mtu = options.integer('com.docker.network.driver.mtu', fallback)
  if (mtu < 0) throw new ShoalError('invalid-argument', 'invalid-network', `invalid MTU number: ${mtu}`)
  return mtu === 0 ? fallback : mtu
}

function hostIpOf(text: string): string {
  const ip: Ip | undefined = text === '' ? { family: 4, value: 0n } : parseIp(text)
  if (ip?.family !== 4) throw new ShoalError('invalid-argument', 'invalid-network', `failed to parse com.docker.network.bridge.host_binding_ipv4 value: ${text} (nil ip)`)
  return text === '' ? '0.0.0.0' : text
}

/** IFNAMSIZ is 16 with the closing zero. */
function checkBridgeName(name: string, networks: readonly BridgeSettings[]): void {
  if (name.length > 15) throw new ShoalError('invalid-argument', 'invalid-network', 'failed to check bridge interface existence: numerical result out of range')
  if (!/^[^\s/":]{1,15}$/.test(name)) throw new ShoalError('invalid-argument', 'invalid-network', `invalid bridge name "${name}": at most 15 characters, no spaces, slashes, quotes or colons`)
  if (networks.some(network => network.name === name)) throw new ShoalError('permission-denied', 'bridge-in-use', `bridge name ${name} is used by another network`)
}
