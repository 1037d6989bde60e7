import { hasShape, type Shape } from '../record-shape.ts'
import type { BridgeSettings, NetworkRecord, SandboxRecord } from './network-records.ts'

const NETWORK: Shape = { name: 'string', driver: 'string', created: 'string', internal: 'boolean', attachable: 'boolean', options: 'object', labels: 'object', ipam: 'object' }
const BRIDGE: Shape = { name: 'string', subnet: 'string', gateway: 'string', auxiliary: 'strings', icc: 'boolean', masquerade: 'boolean', mtu: 'number', hostIp: 'string', internal: 'boolean' }
const OPTIONAL: Shape = { trusted: 'strings', linkPrefix: 'string', range: 'string', gatewayMode: 'string', gatewayMode6: 'string' }
const SUBNET = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/
const SANDBOX: Shape = { container: 'object', netnsPath: 'string', endpoints: 'objects', ports: 'objects' }
const CONTAINER: Shape = { id: 'string', name: 'string', mode: 'string', endpoints: 'object', portBindings: 'object', exposedPorts: 'strings', dns: 'strings', dnsSearch: 'strings', dnsOptions: 'strings', extraHosts: 'strings', links: 'strings' }
const ENDPOINT: Shape = { id: 'string', networkId: 'string', networkName: 'string', driver: 'string', address: 'string', gateway: 'string', link: 'string', hostLink: 'string', aliases: 'strings', links: 'strings' }

/** Whether what was read is a network's record that we wrote. */
export function isSoundNetwork(id: string, record: NetworkRecord): boolean {
  const { ipam, bridge, driver } = record
  if (record.id !== id || !hasShape(record, NETWORK) || !(ipam.Config === null || ipam.Config === undefined || hasShape(ipam, { Config: 'objects' }))) return false
  return bridge === undefined ? driver !== 'bridge' || record.configOnly === true : isSoundBridge(bridge)
}

function isSoundBridge(bridge: BridgeSettings): boolean {
  const optional = Object.fromEntries(Object.entries(OPTIONAL).filter(([key]) => (bridge as unknown as Readonly<Record<string, unknown>>)[key] !== undefined))
  return hasShape(bridge, { ...BRIDGE, ...optional }) && (bridge.subnet === '' || SUBNET.test(bridge.subnet)) && (bridge.ipv6 === undefined || hasShape(bridge.ipv6, { subnet: 'string', gateway: 'string' }))
}

export function isSoundSandbox(id: string, record: SandboxRecord): boolean {
  return hasShape(record, SANDBOX) && record.container.id === id && hasShape(record.container, CONTAINER) && record.endpoints.every(endpoint => hasShape(endpoint, ENDPOINT))
}
