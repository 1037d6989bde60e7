import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { Clock } from '../../../src/base/clock.ts'

/** Docker's numbers (libnetwork resolver): three servers at most, 1024 questions at once; each server gets 2 s rather than 4. */
const SERVERS_MAX = 3
const QUESTIONS_MAX = 1024
const SERVER_TIMEOUT_MS = 2000
const ANSWER_BYTES_MAX = 65535

/** Asks other servers, from the daemon's own namespace, one after the other. */
export class DnsForwarder {
  readonly #clock: Clock
  #pending = 0

  constructor(clock: Clock) { this.#clock = clock }

  /**
   * The first answer that comes, unchanged; undefined when there is none in time or too many questions are open.
   * @param servers "ip" or "ip:port"
   */
  async forward(query: Buffer, servers: readonly string[], protocol: 'tcp' | 'udp'): Promise<Buffer | undefined> {
    if (this.#pending >= QUESTIONS_MAX) return undefined
    this.#pending += 1
    try {
      for (const server of servers.slice(0, SERVERS_MAX)) {
        const answer = await (protocol === 'udp' ? this.#askUdp(query, server) : this.#askTcp(query, server))
        if (answer !== undefined) return answer
      }
      return undefined
    } finally {
      this.#pending -= 1
    }
  }

  #askUdp(query: Buffer, server: string): Promise<Buffer | undefined> {
    const { host, port } = splitServer(server)
    return new Promise(resolve => {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      let isDone = false
      const done = (answer: Buffer | undefined): void => {
        if (isDone) return
        isDone = true
        timer.cancel()
        socket.close()
        resolve(answer)
      }
      const timer = this.#clock.after(SERVER_TIMEOUT_MS, () => done(undefined))
      socket.on('error', () => done(undefined))
      socket.on('message', answer => { if (answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) done(answer) })
      // Connected, so that only this server can answer and a closed port fails at once.
      socket.connect(port, host, () => { if (!isDone) socket.send(query) })
    })
  }

  #askTcp(query: Buffer, server: string): Promise<Buffer | undefined> {
    const { host, port } = splitServer(server)
    return new Promise(resolve => {
      const socket = connect({ host, port })
      let received = Buffer.alloc(0)
      const done = (answer: Buffer | undefined): void => {
        timer.cancel()
        socket.destroy()
        resolve(answer)
      }
      const timer = this.#clock.after(SERVER_TIMEOUT_MS, () => done(undefined))
      socket.on('error', () => done(undefined))
      socket.on('close', () => done(undefined))
      socket.on('connect', () => socket.write(withLength(query)))
      socket.on('data', (bytes: Buffer) => {
        received = Buffer.concat([received, bytes])
        const message = takeMessage(received)
        if (message !== undefined) done(message.message)
        else if (received.length > ANSWER_BYTES_MAX + 2) done(undefined)
      })
    })
  }
}

/** A DNS message over TCP has its length before it (RFC 1035, 4.2.2). */
export function withLength(message: Buffer): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message])
}

/** The first whole message of what was received over TCP, and what follows it. */
export function takeMessage(received: Buffer): { readonly message: Buffer; readonly rest: Buffer } | undefined {
  if (received.length < 2) return undefined
  const end = 2 + received.readUInt16BE(0)
  return received.length < end ? undefined : { message: Buffer.from(received.subarray(2, end)), rest: Buffer.from(received.subarray(end)) }
}

function splitServer(server: string): { readonly host: string; readonly port: number } {
  const [, host = server, port = '53'] = /^([\d.]+):(\d+)$/.exec(server) ?? []
  return { host, port: Number(port) }
}
