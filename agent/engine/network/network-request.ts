import type { IPAM, IPAMConfig, NetworkCreateRequest } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'
import { familyOf } from '../../../src/base/ip-address.ts'
import type { SubnetSettings } from './network-pools.ts'
import type { NetworkRecord } from './network-records.ts'

/** There on every host; neither made nor removed by users. */
export const PREDEFINED = ['bridge', 'host', 'none'] as const

export function isPredefined(name: string): boolean { return (PREDEFINED as readonly string[]).includes(name) }

const DRIVERS = ['bridge', 'macvlan', 'ipvlan']

/**
 * A create request as it counts: with the settings of the network that it names, if it names one.
 * @param records networks that are there
 * @throws `predefined-network` (permission-denied), `invalid-network`, `network-driver-not-found` (not-found)
 */
export function completeRequest(request: NetworkCreateRequest, records: readonly NetworkRecord[]): NetworkCreateRequest {
  const name = request.Name ?? ''
  if (isPredefined(name)) throw new ShoalError('permission-denied', 'predefined-network', `operation is not permitted on predefined ${name} network`)
  if (name.trim() === '') throw invalid('invalid name: name is empty')
  if (request.Ingress === true) throw invalid('Ingress network can only be global scope network')
  const from = request.ConfigFrom?.Network ?? ''
  if (request.ConfigOnly === true) return configOnly(request, from)
  checkDriver(request.Driver ?? '')
  checkIpamDriver(request.IPAM?.Driver ?? '')
  return from === '' ? request : fromConfiguration(request, from, records)
}

function configOnly(request: NetworkCreateRequest, from: string): NetworkCreateRequest {
  if (from !== '') throw invalid('a configuration network cannot depend on another configuration network')
  if (request.Internal === true || request.Attachable === true) throw invalid('configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.')
  return request
}

function fromConfiguration(request: NetworkCreateRequest, from: string, records: readonly NetworkRecord[]): NetworkCreateRequest {
  const source = records.find(record => record.name === from)
  if (source === undefined) throw new ShoalError('not-found', 'no-such-network', `configuration network "${from}" does not exist`)
  if (source.configOnly !== true) throw invalid(`network "${from}" is not a configuration network`)
  if ((request.IPAM?.Config ?? []).length > 0 || Object.keys(request.Options ?? {}).length > 0) throw invalid('user specified configurations are not supported if the network depends on a configuration network')
  return {
    ...request, Options: source.options, IPAM: { ...request.IPAM, Config: source.ipam.Config ?? [] },
    EnableIPv6: source.hasIpv6 === true, EnableIPv4: source.hasIpv4 !== false, Labels: { ...source.labels, ...request.Labels },
  }
}

function checkDriver(driver: string): void {
  if (driver === 'host' || driver === 'null') throw new ShoalError('permission-denied', 'predefined-network', `only one instance of "${driver}" network is allowed`)
  if (driver !== '' && !DRIVERS.includes(driver)) throw new ShoalError('not-found', 'network-driver-not-found', `plugin "${driver}" not found`)
}

function checkIpamDriver(driver: string): void {
  if (driver !== '' && driver !== 'default') throw new ShoalError('not-found', 'network-driver-not-found', `plugin "${driver}" not found`)
}

/** The addresses as inspect tells them: what the user gave, and what was chosen where the user gave nothing. */
export function ipamOf(request: NetworkCreateRequest, subnets: readonly SubnetSettings[]): IPAM {
  const given = (request.IPAM?.Config ?? []).filter(config => (config.Subnet ?? '') !== '')
  const config = ([4, 6] as const).flatMap(family => {
    const own = given.filter(each => familyOf(each.Subnet ?? '') === family)
    return own.length > 0 ? own.map(givenConfig) : subnets.filter(({ subnet }) => familyOf(subnet) === family).map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway }))
  })
  return { Driver: request.IPAM?.Driver ?? 'default', Options: request.IPAM?.Options ?? {}, Config: config }
}

function givenConfig({ Subnet, IPRange, Gateway, AuxiliaryAddresses }: IPAMConfig): IPAMConfig {
  return {
    ...(Subnet === undefined ? {} : { Subnet }), ...((IPRange ?? '') === '' ? {} : { IPRange: IPRange ?? '' }), ...((Gateway ?? '') === '' ? {} : { Gateway: Gateway ?? '' }),
    ...(Object.keys(AuxiliaryAddresses ?? {}).length === 0 ? {} : { AuxiliaryAddresses: AuxiliaryAddresses ?? {} }),
  }
}

function invalid(message: string): ShoalError { return new ShoalError('invalid-argument', 'invalid-network', message) }
