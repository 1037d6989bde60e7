import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { promises as dns } from 'node:dns'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { datagramSink, sendFailed } from './datagram-sink.ts'
import { invalidLogOption } from './invalid-log-option.ts'
import type { LogMessage, LogSink } from './log-sink.ts'
import { formatSyslog, type SyslogSender } from './syslog-message.ts'
import type { SyslogPlan } from './syslog-options.ts'

/** A server that does not answer a connection for so long is not there. */
const CONNECT_MS = 10_000

export interface SyslogSinkParts { readonly kernel: Kernel; readonly sender: SyslogSender; readonly pause: (delayMs: number, signal?: AbortSignal) => Promise<void> }

/** Connects to the server. @throws `log-send-failed` (unavailable), `invalid-log-option` when a certificate cannot be read */
export async function openSyslog(plan: SyslogPlan, parts: SyslogSinkParts): Promise<LogSink> {
  const format = (message: LogMessage): Buffer => formatSyslog(plan, parts.sender, message)
  const { address } = plan
  switch (address.kind) {
    case 'datagram': return datagramSink(parts.kernel, address.paths, format, parts.pause, 'Unix syslog delivery error')
    case 'stream': return streamSink(await connected(() => connect(address.paths[0] ?? ''), `dial unix ${address.paths[0]}`), format)
    case 'tcp': return streamSink(await connected(() => connect({ host: address.host, port: address.port }), `dial tcp ${address.host}:${address.port}`), format)
    case 'tls': {
      const options = tlsOptions(plan)
      return streamSink(await connected(() => connectTls({ host: address.host, port: address.port, servername: /^[\d.:]+$/.test(address.host) ? '' : address.host, ...options }), `dial tcp ${address.host}:${address.port}`), format)
    }
    case 'udp': {
      const target = await dns.lookup(address.host).catch((error: unknown) => { throw sendFailed(`dial udp: lookup ${address.host}: ${messageOf(error)}`) })
      return udpSink(createSocket(target.family === 6 ? 'udp6' : 'udp4'), target.address, address.port, format)
    }
  }
}

function tlsOptions({ tls }: SyslogPlan): Readonly<Record<string, unknown>> {
  return {
    rejectUnauthorized: !tls.skipVerify,
    ...(tls.caFile === '' ? {} : { ca: readTls(tls.caFile, 'CA certificate') }),
    ...(tls.certFile === '' && tls.keyFile === '' ? {} : { cert: readTls(tls.certFile, 'X509 certificate'), key: readTls(tls.keyFile, 'X509 key') }),
  }
}

function readTls(path: string, what: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file or directory' : messageOf(error)
    throw invalidLogOption(`could not read ${what} ${JSON.stringify(path)}: open ${path}: ${reason}`)
  }
}

function connected(open: () => Socket, what: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open()
    const fail = (reason: string): void => { socket.destroy(); reject(sendFailed(`${what}: ${reason}`)) }
    socket.setTimeout(CONNECT_MS, () => fail('i/o timeout'))
    socket.on('error', error => fail((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message))
    socket.once('connecting' in socket && 'encrypted' in socket ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0)
      // Servers of syslog say nothing; reading finds out when they leave.
      socket.resume()
      resolve(socket)
    })
  })
}

function streamSink(socket: Socket, format: (message: LogMessage) => Buffer): LogSink {
  let failure: ShoalError | undefined
  socket.on('error', error => { failure = sendFailed(error.message) })
  socket.on('close', () => { failure ??= sendFailed('the syslog server closed the connection') })
  return {
    send: message => new Promise((resolve, reject) => {
      if (failure !== undefined) { reject(failure); return }
      socket.write(format(message), error => { if (error) reject(failure ?? sendFailed(error.message)); else resolve() })
    }),
    [Symbol.asyncDispose]: () => new Promise(resolve => { if (socket.destroyed) { resolve(); return } socket.once('close', () => resolve()); socket.destroySoon() }),
  }
}

function udpSink(socket: DatagramSocket, host: string, port: number, format: (message: LogMessage) => Buffer): LogSink {
  // Nobody there answers with an ICMP message, which UDP senders do not mind.
  socket.on('error', () => undefined)
  socket.unref()
  return {
    send: message => new Promise(resolve => { socket.send(format(message), port, host, () => resolve()) }),
    [Symbol.asyncDispose]: () => new Promise(resolve => { socket.close(() => resolve()) }),
  }
}
