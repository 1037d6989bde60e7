import type { Conntrack } from '../conntrack.ts'
import type { NetnsPath } from '../netns.ts'
import { attribute, parseAttributes, readIpv4 } from './netlink-message.ts'
import { netlinkFailure, NetlinkSocket } from './netlink-socket.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const NETLINK_NETFILTER = 12
const CTNETLINK = 1 << 8
const CT_GET = 1
const CT_DELETE = 2
const AF_INET = 2
const AF_INET6 = 10
const CTA = { original: 1, reply: 2, zone: 18, id: 12 }
const TUPLE = { ip: 1, protocol: 2 }
const IP_SOURCE = 1
const PROTOCOL = { number: 1, destinationPort: 3 }
const NUMBERS = { tcp: 6, udp: 17 }
const NLA_F_NESTED = 0x8000

/** ctnetlink (linux/netfilter/nfnetlink_conntrack.h): lists the table and deletes the entries that match, each by its tuple and id. */
export class LinuxConntrack implements Conntrack {
  readonly #libc: NetworkLibc

  constructor(libc: NetworkLibc) { this.#libc = libc }

  async deleteByReplySource(netns: NetnsPath, addresses: { readonly tcp: ReadonlySet<string>; readonly udp: ReadonlySet<string> }): Promise<number> {
    if (addresses.tcp.size + addresses.udp.size === 0) return 0
    return await this.#deleteWhere(netns, entry => {
      const source = tuplePart(entry.get(CTA.reply), TUPLE.ip).get(IP_SOURCE)
      const protocol = protocolOf(entry)
      const wanted = protocol === NUMBERS.tcp ? addresses.tcp : protocol === NUMBERS.udp ? addresses.udp : undefined
      return source !== undefined && wanted?.has(readIpv4(source)) === true
    })
  }

  async deleteUdpByDestinationPort(netns: NetnsPath, ports: ReadonlySet<number>): Promise<number> {
    if (ports.size === 0) return 0
    const isSent = (entry: ReadonlyMap<number, Buffer>): boolean => {
      const protocol = tuplePart(entry.get(CTA.original), TUPLE.protocol)
      const port = protocol.get(PROTOCOL.destinationPort)
      return protocolOf(entry) === NUMBERS.udp && port !== undefined && ports.has(port.readUInt16BE(0))
    }
    return await this.#deleteWhere(netns, isSent) + await this.#deleteWhere(netns, isSent, AF_INET6)
  }

  /** The dump walks the whole machine's hash table, some milliseconds: on another thread. */
  async #deleteWhere(netns: NetnsPath, matches: (entry: ReadonlyMap<number, Buffer>) => boolean, family = AF_INET): Promise<number> {
    const socket = this.#libc.inside(netns, () => new NetlinkSocket(this.#libc, NETLINK_NETFILTER))
    try {
      const bodies = await socket.dumpLater(CTNETLINK | CT_GET, nfHeader(family))
      return bodies.map(body => parseAttributes(body.subarray(4))).filter(matches).filter(entry => deleteEntry(socket, entry, family)).length
    } finally {
      socket.close()
    }
  }
}

function tuplePart(tuple: Buffer | undefined, part: number): ReadonlyMap<number, Buffer> {
  return parseAttributes(parseAttributes(tuple ?? Buffer.alloc(0)).get(part) ?? Buffer.alloc(0))
}

function protocolOf(entry: ReadonlyMap<number, Buffer>): number | undefined {
  return tuplePart(entry.get(CTA.original), TUPLE.protocol).get(PROTOCOL.number)?.[0]
}

/** False when it was gone already. */
function deleteEntry(socket: NetlinkSocket, entry: ReadonlyMap<number, Buffer>, family: number): boolean {
  const parts = [attribute(CTA.original | NLA_F_NESTED, entry.get(CTA.original) ?? Buffer.alloc(0))]
  for (const type of [CTA.zone, CTA.id]) {
    const value = entry.get(type)
    if (value !== undefined) parts.push(attribute(type, value))
  }
  const errno = socket.request(CTNETLINK | CT_DELETE, 0, nfHeader(family), ...parts)
  if (errno !== 0 && errnoName(errno) !== 'ENOENT') throw netlinkFailure('delete a connection', errno)
  return errno === 0
}

/** struct nfgenmsg */
function nfHeader(family: number): Buffer { return Buffer.of(family, 0, 0, 0) }
