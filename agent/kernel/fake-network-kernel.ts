import { ShoalError } from '../../src/base/errors.ts'
import type { BoundSocket } from './dns-sockets.ts'
import type { LinkInfo, LinkOperation } from './links.ts'
import type { NetnsPath } from './netns.ts'
import type { NetworkKernel } from './network-kernel.ts'

interface ModelLink { readonly name: string; readonly kind: string; readonly peer?: { readonly netns: NetnsPath; readonly name: string }; mac: string; mtu: number; up: boolean; master?: string; readonly addresses: Set<string> }

/** Models namespaces, links and sockets, and records nftables commands and the rest, so that tests read what would have been done. */
export class FakeNetworkKernel implements NetworkKernel {
  /** nftables commands in order, with the namespace they ran in. */
  readonly nftRuns: { readonly netns: NetnsPath; readonly commands: string }[] = []
  readonly linkOperations: { readonly netns: NetnsPath; readonly operation: LinkOperation }[] = []
  readonly sysctls = new Map<string, string>()
  hasIpv6 = true
  /** Modules that are neither there nor to be loaded. */
  readonly missingModules = new Set<string>()
  readonly openSockets = new Map<number, string>()
  /** The next link operation of this kind fails. */
  failNext: LinkOperation['kind'] | undefined
  readonly #namespaces = new Map<NetnsPath, Map<string, ModelLink>>([[undefined, new Map()]])
  #nextFd = 1000

  readonly netns = {
    create: (path: string): void => {
      if (this.#namespaces.has(path)) throw new ShoalError('already-exists', 'netns-exists', `a network namespace is bound to ${path} already`)
      this.#namespaces.set(path, new Map())
    },
    createMapped: async (path: string): Promise<void> => { this.netns.create(path) },
    remove: (path: string): void => {
      for (const name of [...this.#namespaces.get(path)?.keys() ?? []]) this.#delete(path, name)
      this.#namespaces.delete(path)
    },
    exists: (path: string): boolean => this.#namespaces.has(path),
    list: (directory: string): readonly string[] =>
      [...this.#namespaces.keys()].flatMap(path => path?.startsWith(`${directory}/`) === true ? [path.slice(directory.length + 1)] : []),
    writeSysctl: (netns: NetnsPath, key: string, value: string): void => { this.sysctls.set(`${netns ?? ''}:${key}`, value) },
    forwardIpv6: (netns: NetnsPath): void => { this.sysctls.set(`${netns ?? ''}:ipv6/conf/all/forwarding`, '1') },
  }

  readonly links = {
    apply: (netns: NetnsPath, operations: readonly LinkOperation[]): void => { for (const operation of operations) this.#apply(netns, operation) },
    remove: async (netns: NetnsPath, name: string): Promise<void> => this.#delete(netns, name),
    list: (netns: NetnsPath): readonly LinkInfo[] => {
      const links = [...this.#in(netns).values()]
      return links.map((link, at) => ({
        index: at + 1, name: link.name, kind: link.kind, mac: link.mac, mtu: link.mtu, up: link.up,
        master: link.master === undefined ? undefined : links.findIndex(other => other.name === link.master) + 1,
      }))
    },
    addresses: (netns: NetnsPath): readonly { readonly link: string; readonly cidr: string }[] =>
      [...this.#in(netns).values()].flatMap(link => [...link.addresses].map(cidr => ({ link: link.name, cidr }))),
  }

  readonly nft = { run: async (netns: NetnsPath, commands: string): Promise<string> => { this.#in(netns); this.nftRuns.push({ netns, commands }); return '' } }
  readonly conntrack = { deleteByReplySource: async (): Promise<number> => 0, deleteUdpByDestinationPort: async (): Promise<number> => 0 }

  readonly modules = {
    need: async (name: string): Promise<void> => {
      if (this.missingModules.has(name)) throw new ShoalError('failed-precondition', 'kernel-module-missing', `the kernel module ${name} is needed and could not be loaded`)
    },
  }

  readonly sockets = {
    bind: (netns: NetnsPath, protocol: 'tcp' | 'udp' | 'sctp', address: string, port: number): BoundSocket => {
      const fd = this.#nextFd++
      const key = `${netns ?? ''} ${protocol} ${address} ${port === 0 ? fd : port}`
      if ([...this.openSockets.values()].includes(key)) throw new ShoalError('conflict', 'address-in-use', `${address}:${port}/${protocol}: address already in use`)
      this.openSockets.set(fd, key)
      return { fd, port: port === 0 ? fd : port }
    },
    listen: (): void => {},
    forward: (): void => {},
    close: (fd: number): void => { this.openSockets.delete(fd) },
  }

  #in(netns: NetnsPath): Map<string, ModelLink> {
    const links = this.#namespaces.get(netns)
    if (links === undefined) throw new ShoalError('not-found', 'no-such-netns', `no network namespace at ${netns}`)
    return links
  }

  #link(netns: NetnsPath, name: string): ModelLink {
    const link = this.#in(netns).get(name)
    if (link === undefined) throw new ShoalError('not-found', 'no-such-link', `no network interface named ${name}`)
    return link
  }

  #apply(netns: NetnsPath, operation: LinkOperation): void {
    if (this.failNext === operation.kind) {
      this.failNext = undefined
      throw new ShoalError('internal', 'rtnetlink-failed', `${operation.kind}: EIO`)
    }
    this.linkOperations.push({ netns, operation })
    switch (operation.kind) {
      case 'add-bridge': return this.#add(netns, operation.name, 'bridge', operation)
      case 'add-vxlan': return this.#add(operation.into, operation.name, 'vxlan', operation)
      case 'add-veth':
        this.#add(netns, operation.name, 'veth', { ...operation, peerAt: { netns: operation.peer.netns ?? netns, name: operation.peer.name } })
        return this.#add(operation.peer.netns ?? netns, operation.peer.name, 'veth', { ...operation.peer, peerAt: { netns, name: operation.name } })
      case 'add-macvlan':
      case 'add-ipvlan': { this.#link(netns, operation.parent); return this.#add(operation.into, operation.name, operation.kind.slice(4), operation) }
      case 'add-vlan':
      case 'add-dummy': return this.#add(netns, operation.name, operation.kind.slice(4), {})
      case 'set-link': return this.#set(netns, operation)
      case 'add-address': { this.#link(netns, operation.link).addresses.add(operation.cidr); return }
      case 'delete-address': { this.#in(netns).get(operation.link)?.addresses.delete(operation.cidr); return }
      default: return
    }
  }

  #add(netns: NetnsPath, name: string, kind: string, options: { readonly mac?: string; readonly mtu?: number; readonly peerAt?: { readonly netns: NetnsPath; readonly name: string } }): void {
    if (this.#in(netns).has(name)) throw new ShoalError('already-exists', 'link-exists', `${name}: it exists already`)
    this.#in(netns).set(name, {
      name, kind, mac: options.mac ?? '02:00:00:00:00:01', mtu: options.mtu ?? 1500, up: false, addresses: new Set(),
      ...(options.peerAt === undefined ? {} : { peer: options.peerAt }),
    })
  }

  #set(netns: NetnsPath, operation: Extract<LinkOperation, { readonly kind: 'set-link' }>): void {
    const link = this.#link(netns, operation.name)
    if (operation.up !== undefined) link.up = operation.up
    if (operation.mac !== undefined) link.mac = operation.mac
    if (operation.mtu !== undefined) link.mtu = operation.mtu
    if (operation.master !== undefined) link.master = operation.master
  }

  #delete(netns: NetnsPath, name: string): void {
    const link = this.#namespaces.get(netns)?.get(name)
    this.#namespaces.get(netns)?.delete(name)
    if (link?.peer !== undefined) this.#namespaces.get(link.peer.netns)?.delete(link.peer.name)
  }
}
