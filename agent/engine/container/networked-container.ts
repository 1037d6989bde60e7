import type { NetworkedContainer } from '../network/container-networks.ts'
import type { ContainerRecord } from './container-record.ts'

/** A record as the network side sees it. */
export function networkedContainer(record: Pick<ContainerRecord, 'id' | 'name' | 'config' | 'hostConfig' | 'endpoints' | 'hasLeftMode'>): NetworkedContainer {
  const { config, hostConfig } = record
  return {
    id: record.id, name: record.name, hostname: config.Hostname ?? '', domainname: config.Domainname ?? '',
    mode: config.NetworkDisabled === true ? 'none' : hostConfig.NetworkMode ?? 'default',
    endpoints: record.endpoints, hasLeftMode: record.hasLeftMode === true,
    portBindings: hostConfig.PortBindings ?? {},
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    publishAllPorts: hostConfig.PublishAllPorts === true,
    dns: hostConfig.Dns ?? [], dnsSearch: hostConfig.DnsSearch ?? [], dnsOptions: hostConfig.DnsOptions ?? [],
    extraHosts: hostConfig.ExtraHosts ?? [], links: hostConfig.Links ?? [], sysctls: hostConfig.Sysctls ?? {},
  }
}
