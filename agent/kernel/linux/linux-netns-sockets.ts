import koffi from 'koffi'
import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import { ipBytes } from '../../../src/base/ip-address.ts'
import type { BoundSocket, NetnsSockets } from '../dns-sockets.ts'
import type { NetnsPath } from '../netns.ts'
import { u32 } from './netlink-message.ts'
import { TcpRelay } from './tcp-relay.ts'
import { UdpRelay } from './udp-relay.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_CLOEXEC = 0x80000
const SOCKET_TYPE = { tcp: 1, udp: 2, sctp: 1 }
const IPPROTO_SCTP = 132
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const LISTEN_BACKLOG = 128

export class LinuxNetnsSockets implements NetnsSockets {
  readonly #libc: NetworkLibc
  readonly #relays = new Map<number, { close(): void }>()

  constructor(libc: NetworkLibc) { this.#libc = libc }

  bind(netns: NetnsPath, protocol: 'tcp' | 'udp' | 'sctp', address: string, port: number): BoundSocket {
    return this.#libc.inside(netns, () => {
      const isIpv6 = address.includes(':')
      const fd = this.#open(isIpv6 ? AF_INET6 : AF_INET, protocol)
      try {
        // Without it a port whose last connections linger in TIME_WAIT could not be taken again for a minute.
        if (protocol === 'tcp') this.#libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, u32(1), 4)
        if (isIpv6) this.#libc.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, u32(1), 4)
        const bytes = socketAddress(address, port)
        if (this.#libc.bind(fd, bytes, bytes.length) !== 0) throw bindFailure(`${isIpv6 ? `[${address}]` : address}:${port}/${protocol}`)
        return { fd, port: port === 0 ? this.#boundPort(fd) : port }
      } catch (error) {
        closeSync(fd)
        throw error
      }
    })
  }

  #open(family: number, protocol: 'tcp' | 'udp' | 'sctp'): number {
    const fd = this.#libc.socket(family, SOCKET_TYPE[protocol] | SOCK_CLOEXEC, protocol === 'sctp' ? IPPROTO_SCTP : 0)
    if (fd >= 0) return fd
    const name = errnoName(koffi.errno())
    if (name === 'EPROTONOSUPPORT' || name === 'EAFNOSUPPORT' || name === 'ESOCKTNOSUPPORT') throw new ShoalError('failed-precondition', 'protocol-unsupported', `this kernel has no ${protocol} sockets of family ${family}: ${name}`)
    throw new ShoalError('internal', 'socket-failed', `cannot open a ${protocol} socket of family ${family}: ${name}`)
  }

  listen(fd: number): void {
    if (this.#libc.listen(fd, LISTEN_BACKLOG) !== 0) throw bindFailure(`descriptor ${fd}`)
  }

  forward(fd: number, protocol: 'tcp' | 'udp', target: { readonly address: string; readonly port: number }): void {
    this.#relays.set(fd, protocol === 'tcp' ? new TcpRelay(fd, target) : new UdpRelay(fd, target))
  }

  close(fd: number): void {
    const relay = this.#relays.get(fd)
    this.#relays.delete(fd)
    if (relay === undefined) closeSync(fd)
    else relay.close()
  }

  #boundPort(fd: number): number {
    const address = Buffer.alloc(28)
    if (this.#libc.getsockname(fd, address, u32(28)) !== 0) throw bindFailure(`descriptor ${fd}`)
    return address.readUInt16BE(2)
  }
}

/** struct sockaddr_in, struct sockaddr_in6 */
function socketAddress(address: string, port: number): Buffer {
  const ip = ipBytes(address)
  const isIpv6 = ip.length === 16
  const buffer = Buffer.alloc(isIpv6 ? 28 : 16)
  buffer.writeUInt16LE(isIpv6 ? AF_INET6 : AF_INET, 0)
  buffer.writeUInt16BE(port, 2)
  buffer.set(ip, isIpv6 ? 8 : 4)
  return buffer
}

function bindFailure(what: string): ShoalError {
  const name = errnoName(koffi.errno())
  if (name === 'EADDRINUSE') return new ShoalError('conflict', 'address-in-use', `${what}: address already in use`)
  return new ShoalError('internal', 'socket-failed', `cannot bind ${what}: ${name}`)
}
