import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import { ShoalError } from '../../../src/base/errors.ts'

type Endpoints = Readonly<Record<string, EndpointSettings>>

/**
 * The endpoints of a new container, with the address that it asks for as a whole (`MacAddress` of its configuration, as before API 1.44) on the network of its mode.
 * @throws `invalid-endpoint` (invalid-argument) when that network is asked for with another one
 */
export function withMainAddress(endpoints: Endpoints, mode: string, macAddress: string): Endpoints {
  if (macAddress === '') return endpoints
  const ref = Object.keys(endpoints).find(key => networkOf(key) === networkOf(mode)) ?? networkOf(mode)
  const own = endpoints[ref]?.MacAddress ?? ''
  if (own !== '' && own !== macAddress) throw new ShoalError('invalid-argument', 'invalid-endpoint', 'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty')
  return { ...endpoints, [ref]: { ...endpoints[ref], MacAddress: macAddress } }
}

function networkOf(ref: string): string { return ref === 'default' || ref === '' ? 'bridge' : ref }
