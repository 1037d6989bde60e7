/** Calls a lab's manager at 10.99.0.1:2377 as those who may not; prints one line of JSON for each call. Runs on a host of the lab: its argument is the lab's folder. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { RAFT_MESSAGES } from '../../manager/raft/peer-stream.ts'
import { encode } from '../../src/api/codec/codec.ts'
import { CA_RPC, CONTROL_RPC, DISPATCHER_RPC, LOG_BROKER_RPC, LOGS_RPC, MANAGER_ADMIN_RPC, RAFT_MEMBERSHIP_RPC, RAFT_RPC } from '../../src/api/codec/methods.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { RpcMethod } from '../../src/base/rpc.ts'
import { createCertificateRequest } from '../../src/ca/certificate-request.ts'
import { signNodeCertificate } from '../../src/ca/node-certificate.ts'
import { createRootCa } from '../../src/ca/root-ca.ts'
import { CryptoRandom } from '../../src/platform/clock/crypto-random.ts'
import { fixedCredentials, type TlsCredentials } from '../../src/platform/rpc/credentials-source.ts'
import { GrpcDialer } from '../../src/platform/rpc/grpc-dialer.ts'
import { MESSAGE_PROTOCOL } from '../../src/platform/rpc/message-protocol.ts'

type AnyMethod = RpcMethod<unknown, unknown>
const ADDRESS = '10.99.0.1:2377'
const folder = process.argv[2] ?? ''
const methods = (...groups: readonly object[]): readonly AnyMethod[] => groups.flatMap(group => Object.values(group) as AnyMethod[])
const MANAGERS_ONLY = methods(CONTROL_RPC, LOGS_RPC, RAFT_RPC, RAFT_MEMBERSHIP_RPC, MANAGER_ADMIN_RPC)
const NODES = methods(DISPATCHER_RPC, LOG_BROKER_RPC)

function credentialsOf(host: string): TlsCredentials & { readonly certPem: string; readonly keyPem: string } {
  const read = (name: string): string => readFileSync(join(folder, host, 'data/swarm/certificates', name), 'utf8')
  return { rootCertsPem: read('swarm-root-ca.crt'), certPem: read('swarm-node.crt'), keyPem: read('swarm-node.key') }
}

function report(caller: string, rpc: string, outcome: string): void { process.stdout.write(`${JSON.stringify({ caller, rpc, outcome })}\n`) }

async function call(caller: string, credentials: TlsCredentials, method: AnyMethod, options: { readonly request?: unknown; readonly bytes?: Uint8Array; readonly metadata?: Readonly<Record<string, string>> } = {}): Promise<void> {
  await using client = new GrpcDialer({ credentials: fixedCredentials(credentials) }).dial(ADDRESS)
  const { bytes } = options
  const asked = async function* (): AsyncIterable<unknown> { yield options.request ?? {} }
  const sent = bytes === undefined ? method : { ...method, encodeRequest: () => bytes, decodeRequest: method.decodeRequest.bind(method), encodeResponse: method.encodeResponse.bind(method), decodeResponse: method.decodeResponse.bind(method) }
  try {
    for await (const _answer of client.stream(sent, asked(), { timeoutMs: 20_000, metadata: options.metadata ?? {} })) return report(caller, method.path, 'answered')
    report(caller, method.path, 'ended')
  } catch (error) {
    report(caller, method.path, error instanceof ShoalError ? `${error.kind} ${error.code}: ${error.message}` : String(error))
  }
}

/** Whether the manager closes the connection by itself, without an answer that makes sense. */
async function raw(name: string, open: () => Socket, bytes: Uint8Array | string): Promise<void> {
  await new Promise<void>(resolve => {
    const socket = open()
    const timer = setTimeout(() => { report('raw', name, 'still open after 20 s'); socket.destroy(); resolve() }, 20_000)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => { clearTimeout(timer); report('raw', name, 'closed'); resolve() })
    socket.resume()
    if (bytes.length > 0) socket.write(bytes)
  })
}

const [worker, manager] = [credentialsOf('h2'), credentialsOf('h1')]
const { nodeId, clusterId } = JSON.parse(readFileSync(join(folder, 'h1/data/swarm/state.json'), 'utf8')) as { readonly nodeId: string; readonly clusterId: string }
const forged = { 'x-shoal-forwarded': '1', 'x-shoal-forwarded-node-id': nodeId, 'x-shoal-forwarded-role': 'manager', 'x-shoal-forwarded-cluster-id': clusterId }
const [nowMs, random, { csrPem, keyPem }] = [Date.now(), new CryptoRandom(), createCertificateRequest()]
const stranger = { rootCertsPem: worker.rootCertsPem, keyPem, certPem: signNodeCertificate({ root: createRootCa({ nowMs, random }), csrPem, identity: { nodeId, role: 'manager', clusterId }, nowMs, random }) }

/** What a channel of messages is told that begins with these; 'answered' if they are taken. */
async function messages(caller: string, credentials: TlsCredentials, ...sent: readonly Uint8Array[]): Promise<void> {
  const outcome = await new Promise<string>(resolve => {
    const timer = setTimeout(() => resolve('nothing within 20 s'), 20_000)
    const channel = new GrpcDialer({ credentials: fixedCredentials(credentials) }).openMessages(ADDRESS, RAFT_MESSAGES, {
      onReady: () => { for (const bytes of sent) channel.send(bytes) },
      onAccepted: () => {
        if (sent.length > 1) return
        channel[Symbol.dispose]()
        resolve('answered')
      },
      onClosed: error => {
        clearTimeout(timer)
        resolve(`${error.kind} ${error.code}: ${error.message}`)
      },
    })
  })
  report(caller, RAFT_MESSAGES, outcome)
}

const plain = (): Socket => connect(2377, '10.99.0.1')
const secure = (...ALPNProtocols: string[]): Socket => tls.connect({ host: '10.99.0.1', port: 2377, rejectUnauthorized: false, ALPNProtocols })
const rawCalls = Promise.all([
  raw('silence', plain, ''), raw('HTTP', plain, 'GET / HTTP/1.1\r\n\r\n'), raw('HTTP/2 without TLS', plain, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), raw('random', plain, randomBytes(4000)),
  raw('a TLS record of garbage', plain, Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), randomBytes(0x4000)])), raw('garbage in TLS', () => secure('h2'), randomBytes(5000)),
  raw('a protocol nobody knows', () => secure('shoal-messages/0'), ''), raw('garbage for messages', () => secure(MESSAGE_PROTOCOL), Buffer.concat([Buffer.from([0xff]), randomBytes(5000)])),
  raw('silence for messages', () => secure(MESSAGE_PROTOCOL), ''), raw('half a path for messages', () => secure(MESSAGE_PROTOCOL), Buffer.from([0, 0, 1, 0, 0x73])),
])
for (const method of [...MANAGERS_ONLY, ...NODES]) await call('anonymous', { rootCertsPem: worker.rootCertsPem }, method)
for (const method of MANAGERS_ONLY) await call('worker', worker, method)
for (const method of [...MANAGERS_ONLY, ...NODES, ...methods(CA_RPC)]) await call('forged', worker, method, { metadata: forged })
for (const method of MANAGERS_ONLY.slice(0, 3)) await call('stranger', stranger, method)
for (const method of [...MANAGERS_ONLY, ...NODES]) await call('malformed', manager, method, { bytes: Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0x7f]) })
await call('foreign', manager, RAFT_RPC.snapshot as AnyMethod, { request: { envelope: { clusterId: 'another' }, data: new Uint8Array(), last: true } })
const greeting = (cluster: string): Uint8Array => encode('RaftEnvelope', { clusterId: cluster })
await messages('anonymous', { rootCertsPem: worker.rootCertsPem }, greeting(clusterId))
await messages('worker', worker, greeting(clusterId))
await messages('stranger', stranger, greeting(clusterId))
await messages('malformed', manager, Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0x7f]))
await messages('foreign', manager, greeting('another'))
for (const method of [DISPATCHER_RPC.heartbeat, DISPATCHER_RPC.updateTaskStatus, DISPATCHER_RPC.assignments] as readonly unknown[] as readonly AnyMethod[]) await call('own-session', worker, method, { request: { sessionId: 'another', updates: [] } })
await rawCalls
