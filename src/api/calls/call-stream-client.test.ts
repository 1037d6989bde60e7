import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../base/errors.ts'
import type { FrameLink, FrameLinkDialer, FrameLinkEvents } from '../../base/frame-link.ts'
import { streamOf, unaryHandler, type RpcCallOptions, type RpcClient, type RpcMethod, type RpcServer } from '../../base/rpc.ts'
import { FakeClock } from '../../platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { MemoryNetwork } from '../../platform/rpc/memory-rpc.ts'
import { decode as decodeMessage, encode as encodeMessage } from '../codec/codec.ts'
import { CALLS_MAX } from './call-limits.ts'
import { CallStreamClient } from './call-stream-client.ts'
import { CallTable } from './call-table.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const codec = { encodeRequest: encode, decodeRequest: decode, encodeResponse: encode, decodeResponse: decode }
const UPPER: RpcMethod<string, string> = { path: 'test.v1.Test/Upper', kind: 'unary', ...codec }
const HANG: RpcMethod<string, string> = { path: 'test.v1.Test/Hang', kind: 'unary', ...codec }
const FAIL: RpcMethod<string, string> = { path: 'test.v1.Test/Fail', kind: 'unary', ...codec }
const CRASH: RpcMethod<string, string> = { path: 'test.v1.Test/Crash', kind: 'unary', ...codec }
const WHO: RpcMethod<string, string> = { path: 'test.v1.Test/Who', kind: 'unary', ...codec }
const REPEAT: RpcMethod<string, string> = { path: 'test.v1.Test/Repeat', kind: 'unary', ...codec }
const LONE: RpcMethod<string, string> = { path: 'test.v1.Test/Lone', kind: 'unary', ...codec }
const ADDRESS = 'unix:/manager.sock'

/** Counts the links, what goes over them, and what goes out as a call of its own. */
class CountingDialer implements FrameLinkDialer {
  readonly #dialer: FrameLinkDialer
  links = 0
  frames = 0
  answers = 0
  unaries = 0

  constructor(dialer: FrameLinkDialer) { this.#dialer = dialer }

  dial(address: string): RpcClient {
    const client = this.#dialer.dial(address)
    return {
      address,
      unary: <Req, Res>(method: RpcMethod<Req, Res>, request: Req, options?: RpcCallOptions): Promise<Res> => {
        this.unaries += 1
        return client.unary(method, request, options)
      },
      stream: <Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncIterable<Res> => client.stream(method, requests, options),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    }
  }

  openLink(address: string, events: FrameLinkEvents): FrameLink {
    this.links += 1
    const link = this.#dialer.openLink(address, {
      frameBytesMax: events.frameBytesMax, onReady: () => events.onReady(), onClosed: error => events.onClosed(error),
      onFrame: frame => {
        this.answers += 1
        events.onFrame(frame)
      },
    })
    const send = (frame: Uint8Array): boolean => {
      this.frames += 1
      return link.send(frame)
    }
    return { send, pause: () => link.pause(), resume: () => link.resume(), [Symbol.dispose]: () => link[Symbol.dispose]() }
  }
}

function setUp() {
  const clock = new FakeClock()
  const network = new MemoryNetwork({ clock })
  const aborted: unknown[] = []
  const hung: string[] = []
  let begun: () => void = () => {}
  const hanging = new Promise<void>(resolve => { begun = resolve })
  const handlers = [
    [UPPER, unaryHandler(async (text: string) => text.toUpperCase())],
    [HANG, unaryHandler(async (text: string, { signal }) => new Promise<string>((_resolve, reject) => {
      signal.addEventListener('abort', () => { aborted.push(signal.reason); reject(signal.reason as Error) }, { once: true })
      hung.push(text)
      begun()
    }))],
    [FAIL, unaryHandler(async (text: string): Promise<string> => { throw new ShoalError('not-found', 'object-not-found', text) })],
    [CRASH, unaryHandler(async (text: string): Promise<string> => { throw new TypeError(text) })],
    [WHO, unaryHandler(async (_: string, { identity, isLocal, remoteAddress }) => JSON.stringify([identity ?? null, isLocal, remoteAddress]))],
    [REPEAT, unaryHandler(async (bytes: string) => 'x'.repeat(Number(bytes)))],
  ] as const
  const serve = async (): Promise<RpcServer> => {
    const server = network.createServer()
    const table = new CallTable(new MemoryLogger())
    for (const [method, handler] of handlers) {
      table.add(method, handler)
      server.handle(method, handler)
    }
    server.handleLinks(table.handler)
    await server.listen(ADDRESS)
    return server
  }
  const dialer = new CountingDialer(network.createDialer())
  return { clock, serve, dialer, aborted, hung, untilHanging: () => hanging, client: new CallStreamClient(dialer, ADDRESS, clock), network }
}

test('calls of one turn travel together on one link, and each gets its own answer or failure', async () => {
  const { serve, client, dialer } = setUp()
  await using _server = await serve()
  await using _client = client
  const answers = await Promise.allSettled([client.unary(UPPER, 'a'), client.unary(FAIL, 'no such thing'), client.unary(UPPER, 'b'), client.unary(CRASH, 'oops')])
  assert.deepEqual(answers.map(answer => (answer.status === 'fulfilled' ? answer.value : (answer.reason as ShoalError).message)), ['A', 'no such thing', 'B', 'oops'])
  const codes = answers.map(answer => (answer.status === 'fulfilled' ? undefined : [(answer.reason as ShoalError).kind, (answer.reason as ShoalError).code]))
  assert.deepEqual([codes[1], codes[3]], [['not-found', 'object-not-found'], ['internal', 'internal-error']])
  assert.deepEqual([dialer.frames, dialer.answers], [1, 1])
  assert.equal(await client.unary(UPPER, 'c'), 'C')
  assert.deepEqual([dialer.links, dialer.frames, dialer.unaries], [1, 2, 0])
})

test('who calls over a link is local', async () => {
  const { serve, client } = setUp()
  await using _server = await serve()
  await using _client = client
  assert.equal(await client.unary(WHO, ''), '[null,true,"local"]')
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

test('a call that is given up before it was sent is never made', async () => {
  const { serve, client, hung } = setUp()
  await using _server = await serve()
  await using _client = client
  const abort = new AbortController()
  const call = client.unary(HANG, 'x', { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(call, /enough/)
  assert.equal(await client.unary(UPPER, 'a'), 'A')
  assert.deepEqual(hung, [])
})

test('a call that is not answered in time fails with deadline-exceeded', async () => {
  const { serve, client, clock, untilHanging } = setUp()
  await using _server = await serve()
  await using _client = client
  const call = client.unary(HANG, '', { timeoutMs: 500 })
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'deadline-exceeded', code: 'deadline-exceeded' }), clock.advance(500)])
})

test('calls under way fail with the server, and later ones get a new link', async () => {
  const { serve, client, dialer, untilHanging, aborted } = setUp()
  await using _client = client
  const first = await serve()
  const call = client.unary(HANG, '')
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'unavailable', code: 'rpc-unavailable' }), first[Symbol.asyncDispose]()])
  assert.equal(aborted.length, 1)
  await assert.rejects(client.unary(UPPER, 'a'), { kind: 'unavailable', code: 'rpc-refused' })
  await using _second = await serve()
  assert.equal(await client.unary(UPPER, 'a'), 'A')
  assert.equal(dialer.links, 3)
})

test('a client that goes takes its calls along', async () => {
  const { serve, client, aborted, untilHanging } = setUp()
  await using _server = await serve()
  const call = client.unary(HANG, '')
  await untilHanging()
  await Promise.all([assert.rejects(call, { kind: 'unavailable', code: 'rpc-unavailable' }), client[Symbol.asyncDispose]()])
  assert.equal(aborted.length, 1)
  await assert.rejects(client.unary(UPPER, 'a'), { kind: 'unavailable', code: 'rpc-unavailable' })
})

test('what is large or has metadata goes out by itself', async () => {
  const { serve, client, dialer } = setUp()
  await using _server = await serve()
  await using _client = client
  const large = 'x'.repeat(100_000)
  assert.equal(await client.unary(UPPER, large), large.toUpperCase())
  assert.equal(await client.unary(UPPER, 'a', { metadata: { key: 'value' } }), 'A')
  for await (const text of client.stream(UPPER, streamOf('b'))) assert.equal(text, 'B')
  assert.deepEqual([dialer.links, dialer.unaries], [0, 2])
})

test('an unknown method is refused by itself', async () => {
  const { serve, client } = setUp()
  await using _server = await serve()
  await using _client = client
  await assert.rejects(client.unary(LONE, ''), { kind: 'not-implemented', code: 'no-such-method' })
  assert.equal(await client.unary(UPPER, 'a'), 'A')
})

test('a frame holds a limited lot of calls and of answers, and a larger answer alone', async () => {
  const { serve, client, dialer } = setUp()
  await using _server = await serve()
  await using _client = client
  await client.unary(UPPER, 'a')
  const requests = Array.from({ length: 40 }, (_, i) => String(i % 10).repeat(60_000))
  assert.deepEqual(await Promise.all(requests.map(text => client.unary(UPPER, text))), requests)
  assert.equal(dialer.frames, 1 + 3)
  const before = dialer.answers
  const lengths = [10, 3_000_000, 10, 20].map(String)
  assert.deepEqual((await Promise.all(lengths.map(length => client.unary(REPEAT, length)))).map(text => String(text.length)), lengths)
  assert.equal(dialer.answers - before, 3)
})

test('more calls than a link takes wait with the caller, where they can be given up; those under way still can be too', async () => {
  const { serve, client, hung, aborted, untilHanging } = setUp()
  await using _server = await serve()
  await using _client = client
  const abort = new AbortController()
  const calls = Array.from({ length: CALLS_MAX + 10 }, (_, i) => client.unary(HANG, String(i), i < 5 ? { signal: abort.signal } : {}))
  const settled = Promise.allSettled(calls)
  await untilHanging()
  assert.equal(hung.length, CALLS_MAX)
  const late = client.unary(UPPER, 'late', { timeoutMs: 500 })
  abort.abort(new Error('enough'))
  await Promise.allSettled(calls.slice(0, 5))
  // The server answers those given up, which makes room for those who wait: five of the ten.
  for (let turns = 0; hung.length < CALLS_MAX + 5; turns++) {
    assert(turns < 100)
    await new Promise<void>(resolve => queueMicrotask(resolve))
  }
  assert.equal(aborted.length, 5)
  const [result] = await Promise.all([Promise.allSettled([late]), client[Symbol.asyncDispose]()])
  assert.equal(result[0]?.status, 'rejected')
  await settled
  assert.equal(hung.length, CALLS_MAX + 5)
})

test('who does not read its answers is not read either, until there is room', async () => {
  const events: string[] = []
  const sent: Uint8Array[] = []
  let hasRoom = false
  const link: FrameLink = { send: frame => { sent.push(frame); return hasRoom }, pause: () => events.push('pause'), resume: () => events.push('resume'), [Symbol.dispose]: () => {} }
  const table = new CallTable(new MemoryLogger())
  table.add(UPPER, unaryHandler(async (text: string) => text.toUpperCase()))
  const session = table.handler(link, { identity: undefined, remoteAddress: 'local', isLocal: true, signal: new AbortController().signal, metadata: {} })
  const call = async (id: number): Promise<void> => {
    session.onFrame(encodeMessage('StreamedCalls', { calls: [{ id, method: UPPER.path, request: encode('a') }] }))
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
  await call(1)
  assert.deepEqual([sent.length, events], [1, ['pause']])
  await call(2)
  await call(3)
  assert.equal(sent.length, 1)
  hasRoom = true
  session.onReady()
  assert.deepEqual([sent.length, events], [2, ['pause', 'resume']])
  assert.deepEqual(decodeMessage('StreamedAnswers', sent[1] as Uint8Array).answers.map(({ id }) => id), [2, 3])
})
