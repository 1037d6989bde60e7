import type { NetnsPath } from './netns.ts'

/** Sockets opened inside a namespace, as file descriptors that the caller owns and closes (or hands to node:dgram / node:net, which then own them). */
export interface NetnsSockets {
  /** @param port 0: any. @throws `address-in-use` (conflict), `socket-failed` (internal) */
  bind(netns: NetnsPath, protocol: 'tcp' | 'udp', address: string, port: number): BoundSocket
  /** Makes a TCP socket refuse other listeners on its port. */
  listen(fd: number): void
  close(fd: number): void
}

export interface BoundSocket { readonly fd: number; readonly port: number }
