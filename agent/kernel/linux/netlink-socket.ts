import koffi from 'koffi'
import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import { message, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, parseMessages } from './netlink-message.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3

export interface NetlinkRequest { readonly type: number; readonly flags: number; readonly parts: readonly Uint8Array[] }

/** A blocking netlink socket in the namespace where it was opened. Close it. */
export class NetlinkSocket {
  readonly #libc: NetworkLibc
  readonly #fd: number
  #sequence = 0

  constructor(libc: NetworkLibc, protocol: number) {
    this.#libc = libc
    this.#fd = libc.openSocket(AF_NETLINK, SOCK_RAW, protocol)
  }

  /** Sends one request and waits for its acknowledgement. Returns 0 or the errno. */
  request(type: number, flags: number, ...parts: readonly Uint8Array[]): number {
    const sequence = this.#send(type, flags | NLM_F_REQUEST | NLM_F_ACK, parts)
    return this.#acknowledgement(sequence)
  }

  /** Several requests in one datagram: the errno of each, in order. The kernel tries all of them, whatever became of those before. */
  requestMany(requests: readonly NetlinkRequest[]): number[] {
    const { first, bytes } = this.#batch(requests)
    if (Number(this.#libc.send(this.#fd, bytes, bytes.length, 0)) !== bytes.length) throw netlinkFailure('send', koffi.errno())
    return this.#acknowledgements(first, requests.length)
  }

  /** As requestMany(), but the kernel's work, which is done inside of send(2), happens on another thread. */
  async requestManyLater(requests: readonly NetlinkRequest[]): Promise<number[]> {
    const { first, bytes } = this.#batch(requests)
    await this.#sendLater(bytes)
    return this.#acknowledgements(first, requests.length)
  }

  /** As dump(), its first and longest part on another thread. */
  async dumpLater(type: number, ...parts: readonly Uint8Array[]): Promise<Buffer[]> {
    this.#sequence += 1
    await this.#sendLater(message(type, NLM_F_REQUEST | NLM_F_DUMP, this.#sequence, ...parts))
    return this.#answers(type, this.#sequence)
  }

  /** All answers of a dump request. */
  dump(type: number, ...parts: readonly Uint8Array[]): Buffer[] {
    return this.#answers(type, this.#send(type, NLM_F_REQUEST | NLM_F_DUMP, parts))
  }

  close(): void { closeSync(this.#fd) }

  #answers(type: number, sequence: number): Buffer[] {
    const bodies: Buffer[] = []
    for (;;) {
      for (const reply of this.#receive()) {
        if (reply.sequence !== sequence) continue
        if (reply.type === NLMSG_DONE) return bodies
        if (reply.type === NLMSG_ERROR) throw netlinkFailure(`dump ${type}`, -reply.body.readInt32LE(0))
        bodies.push(Buffer.from(reply.body))
      }
    }
  }

  #batch(requests: readonly NetlinkRequest[]): { readonly first: number; readonly bytes: Buffer } {
    const first = this.#sequence + 1
    return { first, bytes: Buffer.concat(requests.map(({ type, flags, parts }) => message(type, flags | NLM_F_REQUEST | NLM_F_ACK, ++this.#sequence, ...parts))) }
  }

  async #sendLater(bytes: Buffer): Promise<void> {
    const sent = await new Promise<number>((resolve, reject) => this.#libc.send.async(this.#fd, bytes, bytes.length, 0, (error, result) => (error === null ? resolve(result) : reject(error))))
    if (Number(sent) !== bytes.length) throw new ShoalError('internal', 'rtnetlink-failed', 'netlink: send failed')
  }

  #acknowledgements(first: number, count: number): number[] {
    const results: number[] = []
    while (results.length < count) {
      for (const reply of this.#receive()) {
        if (reply.sequence === first + results.length && reply.type === NLMSG_ERROR) results.push(-reply.body.readInt32LE(0))
      }
    }
    return results
  }

  #acknowledgement(sequence: number): number {
    for (;;) {
      for (const reply of this.#receive()) {
        if (reply.sequence === sequence && reply.type === NLMSG_ERROR) return -reply.body.readInt32LE(0)
      }
    }
  }

  #send(type: number, flags: number, parts: readonly Uint8Array[]): number {
    this.#sequence += 1
    const bytes = message(type, flags, this.#sequence, ...parts)
    if (Number(this.#libc.send(this.#fd, bytes, bytes.length, 0)) !== bytes.length) throw netlinkFailure(`send ${type}`, koffi.errno())
    return this.#sequence
  }

  #receive(): ReturnType<typeof parseMessages> {
    const buffer = this.#libc.receiveBuffer
    const length = Number(this.#libc.recv(this.#fd, buffer, buffer.length, 0))
    if (length <= 0) throw netlinkFailure('receive', koffi.errno())
    return parseMessages(buffer.subarray(0, length))
  }
}

export function netlinkFailure(what: string, errno: number): ShoalError {
  return new ShoalError('internal', 'rtnetlink-failed', `netlink: ${what}: ${errnoName(errno)}`)
}
