import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { streamOf, unaryHandler, type RpcMethod } from '../../base/rpc.ts'
import { createTestCluster } from '../../../test/support/test-cluster.ts'
import { MemoryLogger } from '../log/memory-logger.ts'
import { fixedCredentials, RenewableCredentials, type CredentialsSource } from './credentials-source.ts'
import { GrpcClient } from './grpc-client.ts'
import { createInsecureDialer, GrpcDialer } from './grpc-dialer.ts'
import { GrpcServer } from './grpc-server.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const codec = { encodeRequest: encode, decodeRequest: decode, encodeResponse: encode, decodeResponse: decode }
const WHO: RpcMethod<string, string> = { path: 'test.v1.Test/Who', kind: 'unary', ...codec }
const HOLD: RpcMethod<string, string> = { path: 'test.v1.Test/Hold', kind: 'bidi', ...codec }

async function serve(credentials: CredentialsSource): Promise<{ server: GrpcServer; address: string }> {
  const server = new GrpcServer({ credentials, logger: new MemoryLogger() })
  server.handle(WHO, unaryHandler(async (_, { identity }) => JSON.stringify(identity ?? 'nobody')))
  server.handle(HOLD, async function* (requests) { for await (const text of requests) yield text })
  return { server, address: `127.0.0.1:${await server.listen('127.0.0.1:0')}` }
}

const HOME = createTestCluster('home')
const AWAY = createTestCluster('away')
const STALL_MS = 300

test('a server refuses a certificate of another cluster', async () => {
  await using server = (await serve(fixedCredentials(HOME.node('m', 'manager')))).server
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`
  const stranger = { ...AWAY.node('w', 'worker'), rootCertsPem: HOME.root.certPem }
  await using client = new GrpcDialer({ credentials: fixedCredentials(stranger) }).dial(address)
  await assert.rejects(client.unary(WHO, '', { timeoutMs: 3_000 }), { kind: 'unavailable' })
})

test('a client refuses a server of another cluster, and a worker that poses as a manager', async () => {
  const credentials = fixedCredentials(HOME.node('w', 'worker'))
  for (const impostor of [AWAY.node('m', 'manager'), HOME.node('w2', 'worker')]) {
    const { server, address } = await serve(fixedCredentials(impostor))
    await using _ = server
    await using client = new GrpcDialer({ credentials }).dial(address)
    await assert.rejects(client.unary(WHO, '', { timeoutMs: 3_000 }), { kind: 'unavailable' })
  }
})

test('the insecure dialer reaches any server, anonymously', async () => {
  const { server, address } = await serve(fixedCredentials(HOME.node('m', 'manager')))
  await using _ = server
  await using client = createInsecureDialer().dial(address)
  assert.equal(await client.unary(WHO, ''), '"nobody"')
})

/** Requests of a call that stays open: 'before', then what is sent; undefined ends them. */
function dialogue(): { readonly requests: AsyncIterable<string>; readonly send: (text: string | undefined) => void } {
  let resolveNext: (text: string | undefined) => void = () => {}
  const requests = (async function* () {
    for (let text: string | undefined = 'before'; text !== undefined; text = await new Promise<string | undefined>(resolve => { resolveNext = resolve })) yield text
  })()
  return { requests, send: text => resolveNext(text) }
}

test('a renewal serves new calls with the new certificates and leaves live ones alone', async () => {
  const serverCredentials = new RenewableCredentials(HOME.node('m', 'manager'))
  const { server, address } = await serve(serverCredentials)
  await using _ = server
  const clientCredentials = new RenewableCredentials(HOME.node('w', 'worker'))
  await using client = new GrpcDialer({ credentials: clientCredentials }).dial(address)
  const { requests, send } = dialogue()
  const got: string[] = []
  for await (const text of client.stream(HOLD, requests)) {
    got.push(text)
    if (got.length > 1) break
    assert.match(await client.unary(WHO, ''), /"role":"worker"/)
    // Both change clusters altogether: only renewed credentials can talk now.
    serverCredentials.renew(AWAY.node('m', 'manager'))
    clientCredentials.renew(AWAY.node('w', 'manager'))
    assert.match(await client.unary(WHO, ''), /"clusterId":"away"/)
    send('after')
  }
  assert.deepEqual(got, ['before', 'after'])
})

test('after its process did not run for a while a client dials anew, and what is under way goes on', async () => {
  const { server, address: serverAddress } = await serve(fixedCredentials(HOME.node('m', 'manager')))
  await using _ = server
  let connections = 0
  const passing = createServer(socket => {
    connections++
    const onward = connect(Number(serverAddress.split(':')[1]), '127.0.0.1')
    for (const each of [socket, onward]) each.on('error', () => { each.destroy() })
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>(resolve => { passing.listen(0, '127.0.0.1', resolve) })
  const address = `127.0.0.1:${(passing.address() as { port: number }).port}`
  await using client = new GrpcClient({ address, credentials: fixedCredentials(HOME.node('w', 'worker')), stallMs: STALL_MS })
  const stop = (): void => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS + 1) }
  const { requests, send } = dialogue()
  const got: string[] = []
  for await (const text of client.stream(HOLD, requests)) {
    got.push(text)
    if (got.length > 1) break
    stop()
    assert.match(await client.unary(WHO, ''), /worker/)
    assert.equal(connections, 2)
    send('after')
  }
  assert.deepEqual(got, ['before', 'after'])
  passing.close()
  await client[Symbol.asyncDispose]()
})

test('an address that accepts but never speaks is unavailable after the connect timeout, and the next call connects anew', { timeout: 15_000 }, async () => {
  const sockets: Socket[] = []
  let onSocket = (): void => {}
  const silent = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {}) // the client gives it up
    onSocket()
  })
  await new Promise<void>(resolve => { silent.listen(0, '127.0.0.1', resolve) })
  const { port } = silent.address() as { port: number }
  await using client = new GrpcDialer({ credentials: fixedCredentials(HOME.node('w', 'worker')) }).dial(`127.0.0.1:${port}`)
  await assert.rejects(async () => { for await (const _ of client.stream(HOLD, streamOf('x'))) assert.fail('nothing answers') }, { kind: 'unavailable', code: 'rpc-not-connected' })
  assert.equal(sockets.length, 1)
  const another = new Promise<void>(resolve => { onSocket = resolve })
  const second = assert.rejects(client.unary(WHO, '', { timeoutMs: 1_000 }))
  await another
  await second
  silent.close()
  for (const socket of sockets) socket.destroy()
  await client[Symbol.asyncDispose]()
})
