import { list, object, STRING_MAP } from './shape.ts'
import { ENDPOINT_SETTINGS } from './container-shapes.ts'

export const AUTH_CONFIG = object({ username: 'string', password: 'string', email: 'string', serveraddress: 'string', identitytoken: 'string', registrytoken: 'string' })

/** Body of POST /networks/create. */
export const NETWORK_CREATE = object({
  Name: 'string', CheckDuplicate: 'boolean', Driver: 'string', Scope: 'string', Internal: 'boolean', Attachable: 'boolean', Ingress: 'boolean',
  ConfigOnly: 'boolean', ConfigFrom: object({ Network: 'string' }), EnableIPv4: 'boolean', EnableIPv6: 'boolean',
  IPAM: object({ Driver: 'string', Options: STRING_MAP, Config: list(object({ Subnet: 'string', IPRange: 'string', Gateway: 'string', AuxiliaryAddresses: STRING_MAP })) }),
  Options: STRING_MAP, Labels: STRING_MAP,
})
export const NETWORK_CONNECT = object({ Container: 'string', EndpointConfig: ENDPOINT_SETTINGS })
export const NETWORK_DISCONNECT = object({ Container: 'string', Force: 'boolean' })

/** Body of POST /volumes/create. */
export const VOLUME_CREATE = object({ Name: 'string', Driver: 'string', DriverOpts: STRING_MAP, Labels: STRING_MAP, ClusterVolumeSpec: 'any' })
