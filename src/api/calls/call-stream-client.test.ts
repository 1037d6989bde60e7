import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../base/errors.ts'
import { streamOf, unaryHandler, type RpcCallOptions, type RpcClient, type RpcMethod, type RpcServer } from '../../base/rpc.ts'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { MemoryNetwork } from '../../platform/rpc/memory-rpc.ts'
import { CALLS_RPC } from '../codec/methods.ts'
import { CallStreamClient } from './call-stream-client.ts'
import { CallTable } from './call-table.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const codec = { encodeRequest: encode, decodeRequest: decode, encodeResponse: encode, decodeResponse: decode }
const UPPER: RpcMethod<string, string> = { path: 'test.v1.Test/Upper', kind: 'unary', ...codec }
const HANG: RpcMethod<string, string> = { path: 'test.v1.Test/Hang', kind: 'unary', ...codec }
const FAIL: RpcMethod<string, string> = { path: 'test.v1.Test/Fail', kind: 'unary', ...codec }
const LONE: RpcMethod<string, string> = { path: 'test.v1.Test/Lone', kind: 'unary', ...codec }
const ADDRESS = 'unix:/manager.sock'

/** Counts what goes out as a call of its own. */
class CountingClient implements RpcClient {
  readonly #client: RpcClient
  unaries = 0
  streams = 0

  constructor(client: RpcClient) { this.#client = client }

  get address(): string { return this.#client.address }

  unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options?: RpcCallOptions): Promise<Res> {
    this.unaries += 1
    return this.#client.unary(method, request, options)
  }

  stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncIterable<Res> {
    this.streams += 1
    return this.#client.stream(method, requests, options)
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#client[Symbol.asyncDispose]() }
}

function setUp(options: { readonly hasTable?: boolean } = {}) {
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock })
  const aborted: unknown[] = []
  let begun: () => void = () => {}
  const hanging = new Promise<void>(resolve => { begun = resolve })
  const handlers = [
    [UPPER, unaryHandler(async (text: string) => text.toUpperCase())],
    [HANG, unaryHandler(async (_: string, { signal }) => new Promise<string>((_resolve, reject) => {
      signal.addEventListener('abort', () => { aborted.push(signal.reason); reject(signal.reason as Error) }, { once: true })
      begun()
    }))],
    [FAIL, unaryHandler(async (text: string): Promise<string> => { throw new ShoalError('not-found', 'object-not-found', text) })],
  ] as const
  const serve = async (): Promise<RpcServer> => {
    const server = network.createServer()
    const table = new CallTable(new MemoryLogger())
    for (const [method, handler] of handlers) {
      table.add(method, handler)
      server.handle(method, handler)
    }
    server.handle(LONE, unaryHandler(async (text: string) => text))
    if (options.hasTable !== false) server.handle(CALLS_RPC.exchange, table.handler)
    await server.listen(ADDRESS)
    return server
  }
  const counting = new CountingClient(network.createDialer().dial(ADDRESS))
  return { clock, serve, counting, aborted, untilHanging: () => hanging, client: new CallStreamClient(counting, clock) }
}

test('calls share one stream, and each gets its own answer or failure', async () => {
  const { serve, client, counting } = setUp()
  await using _server = await serve()
  await using _client = client
  const answers = await Promise.allSettled([client.unary(UPPER, 'a'), client.unary(FAIL, 'no such thing'), client.unary(UPPER, 'b')])
  assert.deepEqual(answers.map(answer => (answer.status === 'fulfilled' ? answer.value : (answer.reason as ShoalError).message)), ['A', 'no such thing', 'B'])
  const { reason } = answers[1] as PromiseRejectedResult
  assert.deepEqual([(reason as ShoalError).kind, (reason as ShoalError).code], ['not-found', 'object-not-found'])
  assert.equal(await client.unary(UPPER, 'c'), 'C')
  assert.deepEqual([counting.streams, counting.unaries], [1, 0])
})

test('a call that is given up fails at once, and the server hears of it; others go on', async () => {
  const { serve, client, aborted, untilHanging } = setUp()
  await using _server = await serve()
  await using _client = client
  const abort = new AbortController()
  const call = client.unary(HANG, '', { signal: abort.signal })
  await untilHanging()
  abort.abort(new Error('enough'))
  await assert.rejects(call, /enough/)
  assert.equal(await client.unary(UPPER, 'a'), 'A')
  assert.equal(aborted.length, 1)
})

test('a call that is not answered in time fails with deadline-exceeded', async () => {
  const { serve, client, clock, untilHanging } = setUp()
  await using _server = await serve()
  await using _client = client
  const call = client.unary(HANG, '', { timeoutMs: 500 })
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'deadline-exceeded', code: 'deadline-exceeded' }), clock.advance(500)])
})

test('calls under way fail with the server, and later ones get a new stream', async () => {
  const { serve, client, counting, untilHanging } = setUp()
  await using _client = client
  const first = await serve()
  const call = client.unary(HANG, '')
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'unavailable' }), first[Symbol.asyncDispose]()])
  await using _second = await serve()
  assert.equal(await client.unary(UPPER, 'a'), 'A')
  assert.equal(counting.streams, 2)
})

test('a client that goes takes its calls along', async () => {
  const { serve, client, aborted, untilHanging } = setUp()
  await using _server = await serve()
  const call = client.unary(HANG, '')
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'unavailable' }), client[Symbol.asyncDispose]()])
  assert.equal(aborted.length, 1)
})

test('what is large, has metadata, or is not taken this way goes out by itself', async () => {
  const { serve, client, counting } = setUp()
  await using _server = await serve()
  await using _client = client
  const large = 'x'.repeat(100_000)
  assert.equal(await client.unary(UPPER, large), large.toUpperCase())
  assert.equal(await client.unary(UPPER, 'a', { metadata: { key: 'value' } }), 'A')
  assert.deepEqual([counting.streams, counting.unaries], [0, 2])
  assert.equal(await client.unary(LONE, 'alone'), 'alone')
  assert.deepEqual([counting.streams, counting.unaries], [1, 3])
})

test('a server of before takes every call by itself', async () => {
  const { serve, client } = setUp({ hasTable: false })
  await using _server = await serve()
  await using _client = client
  assert.equal(await client.unary(UPPER, 'a'), 'A')
  for await (const text of client.stream(UPPER, streamOf('b'))) assert.equal(text, 'B')
})
