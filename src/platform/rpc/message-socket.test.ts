import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import { createTestCluster } from '../../../test/support/test-cluster.ts'
import { until } from '../../../test/support/until.ts'
import type { ShoalError } from '../../base/errors.ts'
import { MemoryLogger } from '../log/memory-logger.ts'
import { clientContext, fixedCredentials, RenewableCredentials, type CredentialsSource, type TlsCredentials } from './credentials-source.ts'
import { EMPTY_FRAME, frameOf } from './frames.ts'
import { GrpcDialer } from './grpc-dialer.ts'
import { GrpcServer } from './grpc-server.ts'
import { ACCEPTED, MESSAGE_PROTOCOL } from './message-protocol.ts'
import { MessageSocket, type MessageTimes } from './message-socket.ts'

const PATH = 'test.v1.Test/Messages'
const HOME = createTestCluster('home')
const AWAY = createTestCluster('away')
const MANAGER = HOME.node('m', 'manager')
const TIMES: MessageTimes = { connectMs: 5_000, noteMs: 50, silenceMaxMs: 1_000, stallMs: 5_000 }
/** Of a sender that is not to give up on a side that does not read. */
const PATIENT_MS = 20_000

async function serve(credentials: CredentialsSource): Promise<{ readonly server: GrpcServer; readonly address: string; readonly senders: string[] }> {
  const server = new GrpcServer({ credentials, logger: new MemoryLogger() })
  const senders: string[] = []
  server.handleMessages(PATH, ({ identity }) => {
    senders.push(`${identity?.role} of ${identity?.clusterId}`)
    return () => {}
  })
  return { server, address: `127.0.0.1:${await server.listen('127.0.0.1:0')}`, senders }
}

interface Opened { readonly channel: MessageSocket; readonly told: string[]; readonly errors: ShoalError[] }
function open(t: TestContext, address: string, times: Partial<MessageTimes> = {}, credentials: TlsCredentials = MANAGER): Opened {
  const [told, errors]: [string[], ShoalError[]] = [[], []]
  const channel = new MessageSocket({
    address, path: PATH, secureContext: clientContext(credentials), times: { ...TIMES, ...times },
    events: { onReady: () => told.push('ready'), onAccepted: () => told.push('accepted'), onClosed: error => { told.push(error.code); errors.push(error) } },
  })
  t.after(() => channel[Symbol.dispose]())
  return { channel, told, errors }
}

/** A server that speaks TLS as a manager does, and otherwise as told. */
async function speaker(t: TestContext, onSocket: (socket: tls.TLSSocket) => void): Promise<string> {
  const sockets = new Set<tls.TLSSocket>()
  const server = tls.createServer({ cert: MANAGER.certPem, key: MANAGER.keyPem, ALPNProtocols: [MESSAGE_PROTOCOL] }, socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onSocket(socket)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

test('certificates are checked both ways, and no message reaches who has none of the cluster', async t => {
  const { server, address, senders } = await serve(fixedCredentials(MANAGER))
  await using _ = server
  const stranger = open(t, address, {}, { ...AWAY.node('s', 'manager'), rootCertsPem: HOME.root.certPem })
  await until(() => stranger.errors.length === 1)
  assert.equal(stranger.errors[0]?.code, 'rpc-not-connected')
  assert.deepEqual(senders, [])
  for (const impostor of [AWAY.node('m', 'manager'), HOME.node('w', 'worker')]) {
    const other = await serve(fixedCredentials(impostor))
    await using __ = other.server
    const { told, errors } = open(t, other.address)
    await until(() => errors.length === 1)
    assert.deepEqual(told, ['rpc-not-connected'])
    assert.match(errors[0]?.message ?? '', /no connection: /)
    assert.deepEqual(other.senders, [])
  }
})

test('after a renewal new channels have the new certificates, and live ones go on', async t => {
  const serverCredentials = new RenewableCredentials(MANAGER)
  const { server, address, senders } = await serve(serverCredentials)
  await using _ = server
  const clientCredentials = new RenewableCredentials(HOME.node('a', 'manager'))
  const dialer = new GrpcDialer({ credentials: clientCredentials })
  const openOne = () => {
    const told: string[] = []
    const channel = dialer.openMessages(address, PATH, { onReady: () => told.push('ready'), onAccepted: () => told.push('accepted'), onClosed: error => told.push(error.code) })
    t.after(() => channel[Symbol.dispose]())
    return { channel, told }
  }
  const before = openOne()
  await until(() => before.told.length === 1 && senders.length === 1)
  serverCredentials.renew(AWAY.node('m', 'manager'))
  clientCredentials.renew(AWAY.node('a', 'manager'))
  const after = openOne()
  await until(() => after.told.length === 1 && senders.length === 2)
  for (const { channel } of [before, after]) channel.send(new Uint8Array([1]))
  await until(() => before.told.length + after.told.length === 4)
  assert.deepEqual([before.told, after.told, senders], [['ready', 'accepted'], ['ready', 'accepted'], ['manager of home', 'manager of away']])
})

test('an address that accepts but never speaks is given up after the connect timeout', async t => {
  const silent = createServer(socket => { socket.on('error', () => socket.destroy()) })
  await new Promise<void>(resolve => { silent.listen(0, '127.0.0.1', resolve) })
  t.after(() => silent.close())
  const { told, errors } = open(t, `127.0.0.1:${(silent.address() as { port: number }).port}`, { connectMs: 100 })
  await until(() => errors.length === 1)
  assert.deepEqual(told, ['rpc-not-connected'])
})

test('a side that gives no sign of life is given up; one that does is not, though it says nothing else', async t => {
  const dead = open(t, await speaker(t, socket => { socket.resume() }))
  const alive = open(t, await speaker(t, socket => { socket.on('data', () => socket.write(EMPTY_FRAME)) }))
  await until(() => dead.errors.length === 1)
  assert.deepEqual(dead.told, ['ready', 'rpc-unavailable'])
  await delay(TIMES.silenceMaxMs)
  assert.deepEqual(alive.told, ['ready'])
})

test('a connection that was accepted and is lost later says so', async t => {
  const { told, errors, channel } = open(t, await speaker(t, socket => {
    socket.write(frameOf(ACCEPTED))
    setTimeout(() => socket.destroy(), 50)
  }))
  await until(() => errors.length === 1)
  assert.deepEqual(told, ['ready', 'accepted', 'rpc-unavailable'])
  assert.equal(channel.send(new Uint8Array(10)), true, 'to send too late is no error')
})

test('who sends to a side that does not read is told to wait, and to go on when it reads', async t => {
  let reads: () => void = () => {}
  const { told, channel, errors } = open(t, await speaker(t, socket => {
    socket.pause()
    reads = () => socket.resume()
  }), { silenceMaxMs: PATIENT_MS })
  await until(() => told.length === 1)
  let sent = 0
  while (channel.send(new Uint8Array(100_000))) assert(++sent < 100, 'a megabyte may wait, not ten')
  assert.deepEqual(told, ['ready'])
  reads()
  await until(() => told.length === 2)
  assert.deepEqual([told, errors], [['ready', 'ready'], []])
})

test('answers that make no sense end the channel', async t => {
  for (const answer of [frameOf(Buffer.from('{')), frameOf(Buffer.from('null')), frameOf(Buffer.from('{"kind":"toString","code":"x","message":"y"}')), Buffer.from([0xff, 0xff, 0xff, 0xff])]) {
    const { told, errors } = open(t, await speaker(t, socket => { socket.write(answer) }))
    await until(() => errors.length === 1)
    assert.deepEqual(told, ['ready', 'rpc-failed'])
  }
})

test('after its process did not run for a while a channel ends, so that another is opened', async t => {
  const { server, address } = await serve(fixedCredentials(MANAGER))
  await using _ = server
  const { told, errors } = open(t, address, { stallMs: 300 })
  await until(() => told.length === 1)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
  await until(() => errors.length === 1)
  assert.match(errors[0]?.message ?? '', /did not run for a while/)
})

test('whatever comes over a connection ends at most that one', async t => {
  const { server, address, senders } = await serve(fixedCredentials(MANAGER))
  await using _ = server
  const good = open(t, address)
  await until(() => good.told.length === 1)
  const [host = '', port] = address.split(':')
  const path = frameOf(Buffer.from(PATH))
  for (const bytes of [Buffer.alloc(5000, 0xff), Buffer.alloc(5000), frameOf(Buffer.alloc(257)), frameOf(Buffer.from([0xff, 0xfe, 0])), Buffer.concat([path, Buffer.from([0xff, 0, 0, 0])])]) {
    const socket = tls.connect({ host, port: Number(port), ca: HOME.root.certPem, cert: MANAGER.certPem, key: MANAGER.keyPem, servername: 'swarm-manager', ALPNProtocols: [MESSAGE_PROTOCOL] })
    t.after(() => socket.destroy())
    let answer = ''
    let isOver = false
    socket.on('data', chunk => { answer += String(chunk) }).on('error', () => {}).on('close', () => { isOver = true })
    socket.write(bytes)
    if (bytes[0] === 0 && bytes.length === 5000) await until(() => answer.length > 0)
    else await until(() => isOver)
    assert.match(answer, /message-too-large|no-such-method|^\0+$/)
  }
  good.channel.send(new Uint8Array([1]))
  await until(() => good.told.length === 2)
  assert.equal(good.told[1], 'accepted')
  assert.equal(senders.length, 2)
})
