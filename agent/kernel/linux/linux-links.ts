import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import { ipOfBytes } from '../../../src/base/ip-address.ts'
import type { LinkInfo, LinkOperation, Links } from '../links.ts'
import type { NetnsPath } from '../netns.ts'
import { linkRequest, type Lookups } from './link-messages.ts'
import { LinkRemovals } from './link-removals.ts'
import { parseAttributes, readMac, readText } from './netlink-message.ts'
import { netlinkFailure, NetlinkSocket } from './netlink-socket.ts'
import { errnoName, openNetns, type NetworkLibc } from './network-libc.ts'

const NETLINK_ROUTE = 0
const RTM_GETLINK = 18
const RTM_GETADDR = 22
const AF_INET = 2
const AF_INET6 = 10
/** Acknowledgements of a batch must fit into the socket's receive buffer. */
const BATCH_MAX = 64
const GONE = ['ENODEV', 'ESRCH', 'ENOENT', 'EADDRNOTAVAIL']

/** Links over an rtnetlink socket opened for each call, so it always stands in the namespace that the path names now. */
export class LinuxLinks implements Links {
  readonly #libc: NetworkLibc
  readonly #removals: LinkRemovals

  constructor(libc: NetworkLibc) {
    this.#libc = libc
    this.#removals = new LinkRemovals(libc)
  }

  apply(netns: NetnsPath, operations: readonly LinkOperation[]): void {
    const fds = new Map<string, number>()
    const indexes = new Map<string, number>()
    const lookups: Lookups = { index: name => this.#index(indexes, name), netnsFd: path => openOnce(fds, path) }
    try {
      this.#withSocket(netns, socket => {
        for (const batch of batches(operations)) {
          applyBatch(socket, batch, lookups)
          if (!isEntry(batch[0])) indexes.clear()
        }
      })
    } finally {
      for (const fd of fds.values()) closeSync(fd)
    }
  }

  async remove(netns: NetnsPath, name: string): Promise<void> { await this.#removals.remove(netns, name) }

  list(netns: NetnsPath): readonly LinkInfo[] {
    return this.#withSocket(netns, socket => socket.dump(RTM_GETLINK, Buffer.alloc(16)).map(readLink))
  }

  addresses(netns: NetnsPath): readonly { readonly link: string; readonly cidr: string }[] {
    const links = new Map(this.list(netns).map(link => [link.index, link.name]))
    const bodies = this.#withSocket(netns, socket => socket.dump(RTM_GETADDR, Buffer.alloc(8)))
    return bodies.filter(body => isGlobal(body)).map(body => {
      const attributes = parseAttributes(body.subarray(8))
      const address = attributes.get(2) ?? attributes.get(1) ?? Buffer.alloc(4)
      return { link: links.get(body.readUInt32LE(4)) ?? '', cidr: `${ipOfBytes(address)}/${body.readUInt8(1)}` }
    })
  }

  #withSocket<T>(netns: NetnsPath, work: (socket: NetlinkSocket) => T): T {
    return this.#libc.inside(netns, () => {
      const socket = new NetlinkSocket(this.#libc, NETLINK_ROUTE)
      try {
        return work(socket)
      } finally {
        socket.close()
      }
    })
  }

  #index(known: Map<string, number>, name: string): number {
    const index = known.get(name) ?? this.#libc.if_nametoindex(name)
    known.set(name, index)
    if (index === 0) throw new ShoalError('not-found', 'no-such-link', `no network interface named ${name}`)
    return index
  }
}

/** Addresses, neighbours, rules and forwarding entries come in thousands and need nothing but those before them; links one by one. */
function batches(operations: readonly LinkOperation[]): LinkOperation[][] {
  const groups: LinkOperation[][] = []
  for (const operation of operations) {
    const last = groups.at(-1)
    if (last !== undefined && last.length < BATCH_MAX && isEntry(operation) && isEntry(last[0])) last.push(operation)
    else groups.push([operation])
  }
  return groups
}

function isEntry(operation: LinkOperation | undefined): boolean { return operation !== undefined && /-(address|neighbour|forwarding|route|rule)$/.test(operation.kind) }

function applyBatch(socket: NetlinkSocket, operations: readonly LinkOperation[], lookups: Lookups): void {
  const requested = operations.flatMap(operation => {
    try {
      return [{ operation, request: linkRequest(operation, lookups) }]
    } catch (error) {
      if (operation.kind.startsWith('delete-') && error instanceof ShoalError && error.code === 'no-such-link') return []
      throw error
    }
  })
  if (requested.length === 0) return
  const results = socket.requestMany(requested.map(({ request }) => request))
  requested.forEach(({ operation }, at) => checkResult(operation, results[at] ?? 0))
}

function checkResult(operation: LinkOperation, errno: number): void {
  if (errno === 0) return
  const name = errnoName(errno)
  if (operation.kind.startsWith('delete-') && GONE.includes(name)) return
  if (name === 'EEXIST' && (operation.kind === 'add-address' || operation.kind === 'add-rule')) return
  if (name === 'EEXIST') throw new ShoalError('already-exists', 'link-exists', `${JSON.stringify(operation)}: it exists already`)
  throw netlinkFailure(JSON.stringify(operation), errno)
}

/** struct ifaddrmsg: family, prefix, flags, scope. Of IPv6 without those of one link or host alone. */
function isGlobal(body: Buffer): boolean { return body.readUInt8(0) === AF_INET || (body.readUInt8(0) === AF_INET6 && body.readUInt8(3) === 0) }

function openOnce(fds: Map<string, number>, path: string): number {
  const fd = fds.get(path) ?? openNetns(path)
  fds.set(path, fd)
  return fd
}

function readLink(body: Buffer): LinkInfo {
  const attributes = parseAttributes(body.subarray(16))
  const kind = parseAttributes(attributes.get(18) ?? Buffer.alloc(0)).get(1)
  const address = attributes.get(1)
  return {
    index: body.readInt32LE(4),
    name: readText(attributes.get(3) ?? Buffer.alloc(0)),
    kind: kind === undefined ? '' : readText(kind),
    mac: address === undefined ? '' : readMac(address),
    mtu: attributes.get(4)?.readUInt32LE(0) ?? 0,
    up: (body.readUInt32LE(8) & 1) === 1,
    master: attributes.get(10)?.readUInt32LE(0),
  }
}
