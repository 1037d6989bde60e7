import type { EndpointSettings } from '../../../src/api/engine/engine-json.ts'
import type { UserNamespace } from '../../kernel/netns.ts'

/** What the network side of the engine needs to know of a container. */
export interface NetworkedContainer {
  readonly id: string
  readonly name: string
  readonly hostname: string
  readonly domainname: string
  /** HostConfig.NetworkMode: default, bridge, none, host, container:<id>, or a network's name or id. */
  readonly mode: string
  /** It was disconnected from the network of its mode: only `endpoints` count. */
  readonly hasLeftMode?: boolean
  /** Wanted endpoints by network name or id, as in NetworkingConfig. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>
  /** HostConfig.PortBindings, e.g. "80/tcp" -> [{HostIp, HostPort}]; and all exposed ports with publishAll. */
  readonly portBindings: Readonly<Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[]>>
  readonly exposedPorts: readonly string[]
  readonly publishAllPorts: boolean
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** "name:ip", ip may be host-gateway. */
  readonly extraHosts: readonly string[]
  readonly links: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
}

/** A container's network as it was set up. Kept by the container side in its durable record. */
export interface ContainerSandbox {
  /** Path of the network namespace to run in; absent for host mode. */
  readonly netnsPath?: string
  /** For NetworkSettings.Networks, by network name. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>
  /** For NetworkSettings.Ports. */
  readonly ports: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>>
  /** Contents for the container's /etc/hosts and /etc/resolv.conf. */
  readonly hosts: string
  readonly resolvConf: string
}

/**
 * What the network side asks of the container side, for Networks.connect and disconnect (which name containers that may be stopped).
 * Handed to createLocalNetworks as a function, since each side needs the other.
 */
export interface ConnectableContainers {
  /** @throws `no-such-container` (not-found) */
  find(ref: string): Promise<{ readonly container: NetworkedContainer; readonly isRunning: boolean }>
  /**
   * The networks that the container wants changed; `sandbox` is what a running one now has (the new hosts file is to be written into it).
   * Durable when it resolves.
   */
  endpointsChanged(containerId: string, wanted: Pick<NetworkedContainer, 'endpoints' | 'hasLeftMode'>, sandbox: ContainerSandbox | undefined): Promise<void>
}

/** Container lifecycle <-> networking, inside the engine. */
export interface ContainerNetworks {
  /** Makes the namespace (which belongs to `userns`), connects every endpoint, publishes ports, starts DNS. Undoes everything on failure. */
  attach(container: NetworkedContainer, userns?: UserNamespace): Promise<ContainerSandbox>
  /** Takes all of it down; idempotent. */
  detach(containerId: string): Promise<void>
  /** After a daemon restart: takes over what still runs (sandboxes of running containers), leaves containers of these ids alone, and removes everything else that is ours. */
  restore(running: readonly { readonly container: NetworkedContainer; readonly sandbox: ContainerSandbox }[], leftAlone: ReadonlySet<string>): Promise<void>
  /** The container has another name now: others find it by that one at once. */
  rename(containerId: string, name: string): Promise<void>
  /** Checks a create request's networks without doing anything. @throws `no-such-network` (not-found) */
  validate(container: NetworkedContainer): Promise<void>
}
