import koffi from 'koffi'
import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import type { BoundSocket, NetnsSockets } from '../dns-sockets.ts'
import type { NetnsPath } from '../netns.ts'
import { ipv4, u32 } from './netlink-message.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const AF_INET = 2
const SOCKET_TYPE = { tcp: 1, udp: 2 }
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const LISTEN_BACKLOG = 128

export class LinuxNetnsSockets implements NetnsSockets {
  readonly #libc: NetworkLibc

  constructor(libc: NetworkLibc) { this.#libc = libc }

  bind(netns: NetnsPath, protocol: 'tcp' | 'udp', address: string, port: number): BoundSocket {
    return this.#libc.inside(netns, () => {
      const fd = this.#libc.openSocket(AF_INET, SOCKET_TYPE[protocol], 0)
      try {
        // Without it a port whose last connections linger in TIME_WAIT could not be taken again for a minute.
        if (protocol === 'tcp') this.#libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, u32(1), 4)
        if (this.#libc.bind(fd, socketAddress(address, port), 16) !== 0) throw bindFailure(`${address}:${port}/${protocol}`)
        return { fd, port: port === 0 ? this.#boundPort(fd) : port }
      } catch (error) {
        closeSync(fd)
        throw error
      }
    })
  }

  listen(fd: number): void {
    if (this.#libc.listen(fd, LISTEN_BACKLOG) !== 0) throw bindFailure(`descriptor ${fd}`)
  }

  close(fd: number): void { closeSync(fd) }

  #boundPort(fd: number): number {
    const address = Buffer.alloc(16)
    if (this.#libc.getsockname(fd, address, u32(16)) !== 0) throw bindFailure(`descriptor ${fd}`)
    return address.readUInt16BE(2)
  }
}

/** struct sockaddr_in */
function socketAddress(address: string, port: number): Buffer {
  const buffer = Buffer.alloc(16)
  buffer.writeUInt16LE(AF_INET, 0)
  buffer.writeUInt16BE(port, 2)
  buffer.set(ipv4(address), 4)
  return buffer
}

function bindFailure(what: string): ShoalError {
  const name = errnoName(koffi.errno())
  if (name === 'EADDRINUSE') return new ShoalError('conflict', 'address-in-use', `${what}: address already in use`)
  return new ShoalError('internal', 'socket-failed', `cannot bind ${what}: ${name}`)
}
