import koffi from 'koffi'
import { closeSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import { message, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, parseMessages } from './netlink-message.ts'
import { errnoName, type NetworkLibc } from './network-libc.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3

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
  requestMany(requests: readonly { readonly type: number; readonly flags: number; readonly parts: readonly Uint8Array[] }[]): number[] {
    const first = this.#sequence + 1
    const bytes = Buffer.concat(requests.map(({ type, flags, parts }) => message(type, flags | NLM_F_REQUEST | NLM_F_ACK, ++this.#sequence, ...parts)))
    if (Number(this.#libc.send(this.#fd, bytes, bytes.length, 0)) !== bytes.length) throw netlinkFailure('send', koffi.errno())
    const results: number[] = []
    while (results.length < requests.length) {
      for (const reply of this.#receive()) {
        if (reply.sequence === first + results.length && reply.type === NLMSG_ERROR) results.push(-reply.body.readInt32LE(0))
      }
    }
    return results
  }

  /** As request(), but the kernel's work, which is done inside of send(2), happens on another thread. */
  async requestLater(type: number, flags: number, ...parts: readonly Uint8Array[]): Promise<number> {
    return this.#acknowledgement(await this.#sendLater(type, flags | NLM_F_REQUEST | NLM_F_ACK, parts))
  }

  /** As dump(), its first and longest part on another thread. */
  async dumpLater(type: number, ...parts: readonly Uint8Array[]): Promise<Buffer[]> {
    return this.#answers(type, await this.#sendLater(type, NLM_F_REQUEST | NLM_F_DUMP, parts))
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

  async #sendLater(type: number, flags: number, parts: readonly Uint8Array[]): Promise<number> {
    this.#sequence += 1
    const bytes = message(type, flags, this.#sequence, ...parts)
    const sent = await new Promise<number>((resolve, reject) => this.#libc.send.async(this.#fd, bytes, bytes.length, 0, (error, result) => (error === null ? resolve(result) : reject(error))))
    if (Number(sent) !== bytes.length) throw new ShoalError('internal', 'rtnetlink-failed', `netlink: send ${type} failed`)
    return this.#sequence
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
