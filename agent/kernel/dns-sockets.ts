import type { NetnsPath } from './netns.ts'

/** Sockets opened inside a namespace, as file descriptors that the caller owns and closes (or hands to node:dgram / node:net, which then own them). */
export interface NetnsSockets {
  /** An IPv6 socket is for that family alone. @param port 0: any. @throws `address-in-use` (conflict), `socket-failed` (internal), `protocol-unsupported` (failed-precondition) when this kernel lacks SCTP or IPv6 */
  bind(netns: NetnsPath, protocol: 'tcp' | 'udp' | 'sctp', address: string, port: number): BoundSocket
  /** Makes a TCP socket refuse other listeners on its port. */
  listen(fd: number): void
  /** Passes every connection, of UDP every client's datagrams, on to `target` as this process reaches it. */
  forward(fd: number, protocol: 'tcp' | 'udp', target: { readonly address: string; readonly port: number }): void
  close(fd: number): void
}

export interface BoundSocket { readonly fd: number; readonly port: number }
