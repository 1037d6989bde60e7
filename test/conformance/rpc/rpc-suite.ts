import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode, ShoalError } from '../../../src/base/errors.ts'
import type { FrameLinkDialer, FrameLinkServer } from '../../../src/base/frame-link.ts'
import type { MessageDialer, MessageServer } from '../../../src/base/message-channel.ts'
import { streamOf, unaryHandler, type RpcContext, type RpcIdentity, type RpcKind, type RpcMethod, type RpcServer } from '../../../src/base/rpc.ts'
import { collect } from '../../support/collect.ts'
import { linkConformance } from './link-suite.ts'
import { messageConformance } from './message-suite.ts'

/** A transport under test. */
export interface RpcWorld extends AsyncDisposable {
  createServer(): MessageServer & FrameLinkServer
  /** Without identity: an anonymous caller that trusts the server. */
  createDialer(identity?: RpcIdentity): MessageDialer & FrameLinkDialer
  /** For listen(): a free port of a host that dialers reach. */
  readonly host: string
  unixAddress(): string
  /** Lets this much time pass for deadlines, and lets what is ready happen. */
  elapse(ms: number): Promise<void>
}

const WORKER: RpcIdentity = { nodeId: 'node1', role: 'worker', clusterId: 'cluster1' }

function textMethod(name: string, kind: RpcKind): RpcMethod<string, string> {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  return { path: `test.v1.Test/${name}`, kind, encodeRequest: encode, decodeRequest: decode, encodeResponse: encode, decodeResponse: decode }
}
const UNARY = textMethod('Unary', 'unary')
const DOWN = textMethod('Down', 'server-stream')
const UP = textMethod('Up', 'client-stream')
const BOTH = textMethod('Both', 'bidi')

/** The contract of src/base/rpc.ts; every transport passes it. */
export function rpcConformance(name: string, createWorld: () => Promise<RpcWorld>): void {
  const it = (title: string, body: (world: RpcWorld) => Promise<void>): void => {
    test(`${name}: ${title}`, { timeout: 20_000 }, async () => {
      await using world = await createWorld()
      await body(world)
    })
  }
  const listen = async (world: RpcWorld, server: RpcServer): Promise<string> => `${world.host}:${await server.listen(`${world.host}:0`)}`

  it('a unary call is answered', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async text => `<${text}>`))
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    assert.equal(await client.unary(UNARY, 'a'), '<a>')
    assert.equal(await client.unary(UNARY, ''), '<>')
  })

  it('streams keep their order in every direction', async world => {
    await using server = world.createServer()
    server.handle(DOWN, async function* (requests) { for await (const text of requests) yield* [...text] })
    server.handle(UP, async function* (requests) { yield (await collect(requests)).join('') })
    server.handle(BOTH, async function* (requests) { for await (const text of requests) yield text.toUpperCase() })
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    assert.deepEqual(await collect(client.stream(DOWN, streamOf('abc'))), ['a', 'b', 'c'])
    assert.deepEqual(await collect(client.stream(UP, streamOf('x', 'y', 'z'))), ['xyz'])
    assert.deepEqual(await collect(client.stream(BOTH, streamOf('p', 'q'))), ['P', 'Q'])
  })

  it('a dialogue alternates: the server answers before the next request is made', async world => {
    await using server = world.createServer()
    server.handle(BOTH, async function* (requests) { for await (const text of requests) yield `${text}!` })
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    let send: (text: string | undefined) => void = () => {}
    const requests = (async function* () {
      for (let text: string | undefined = 'one'; text !== undefined; text = await new Promise<string | undefined>(resolve => { send = resolve })) yield text
    })()
    const got: string[] = []
    for await (const text of client.stream(BOTH, requests)) {
      got.push(text)
      send(got.length === 1 ? 'two' : undefined)
    }
    assert.deepEqual(got, ['one!', 'two!'])
  })

  it('a failure keeps its kind, code and message, whatever characters it has', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async () => { throw new ShoalError('conflict', 'out-of-sequence', 'update out of sequence: "é" 100%') }))
    server.handle(DOWN, async function* () {
      yield 'first'
      throw new ShoalError('not-modified', 'already-started', 'late')
    })
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    await assert.rejects(client.unary(UNARY, ''), { name: 'ShoalError', kind: 'conflict', code: 'out-of-sequence', message: 'update out of sequence: "é" 100%' })
    const got: string[] = []
    await assert.rejects(async () => { for await (const text of client.stream(DOWN, streamOf(''))) got.push(text) }, { kind: 'not-modified', code: 'already-started' })
    assert.deepEqual(got, ['first'])
  })

  it('any other exception of a handler is an internal error', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async () => { throw new TypeError('oops') }))
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    await assert.rejects(client.unary(UNARY, ''), { kind: 'internal', code: 'internal-error', message: 'oops' })
  })

  it('an unknown method is not implemented', async world => {
    await using server = world.createServer()
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    await assert.rejects(client.unary(UNARY, ''), { kind: 'not-implemented', code: 'no-such-method' })
  })

  it('the handler knows its caller: identity, address, metadata', async world => {
    await using server = world.createServer()
    const seen: RpcContext[] = []
    server.handle(UNARY, unaryHandler(async (_, context) => { seen.push(context); return '' }))
    const address = await listen(world, server)
    await using client = world.createDialer(WORKER).dial(address)
    await using anonymous = world.createDialer().dial(address)
    await client.unary(UNARY, '', { metadata: { 'x-shoal-forwarded-node': 'n7' } })
    await anonymous.unary(UNARY, '')
    assert.deepEqual(seen.map(context => context.identity), [WORKER, undefined])
    assert.equal(seen[0]?.metadata['x-shoal-forwarded-node'], 'n7')
    assert.equal(seen[0]?.isLocal, false)
    assert.equal(seen[0]?.remoteAddress, '127.0.0.1')
  })

  it('over a Unix socket the caller is local', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async (_, { isLocal, remoteAddress, identity }) => JSON.stringify([isLocal, remoteAddress, identity ?? null])))
    const address = world.unixAddress()
    assert.equal(await server.listen(address), 0)
    await using client = world.createDialer().dial(address)
    assert.equal(await client.unary(UNARY, ''), '[true,"local",null]')
  })

  it('an abort rejects with its reason and aborts the handler', async world => {
    await using server = world.createServer()
    const ended = signalled(server)
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    const abort = new AbortController()
    const reason = new Error('enough')
    const got: string[] = []
    await assert.rejects(async () => {
      for await (const text of client.stream(DOWN, streamOf(''), { signal: abort.signal })) {
        got.push(text)
        abort.abort(reason)
      }
    }, reason)
    assert.deepEqual(got, ['started'])
    await ended
    await assert.rejects(client.unary(UNARY, '', { signal: abort.signal }), reason)
  })

  it('a reader that leaves ends the handler', async world => {
    await using server = world.createServer()
    const ended = signalled(server)
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    for await (const text of client.stream(DOWN, streamOf(''))) {
      assert.equal(text, 'started')
      break
    }
    await ended
  })

  it('a deadline fails the call and aborts the handler', async world => {
    await using server = world.createServer()
    const ended = signalled(server)
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    const call = collect(client.stream(DOWN, streamOf(''), { timeoutMs: 150 }))
    call.catch(() => {})
    await world.elapse(200)
    await assert.rejects(call, { kind: 'deadline-exceeded', code: 'deadline-exceeded' })
    await ended
  })

  it('a failing producer of requests fails the call with its error', async world => {
    await using server = world.createServer()
    server.handle(UP, async function* (requests) { yield String((await collect(requests)).length) })
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    const broken = (async function* () {
      yield 'a'
      throw new Error('source broke')
    })()
    await assert.rejects(collect(client.stream(UP, broken)), /source broke/)
  })

  it('nobody at the address is unavailable, and known to be nobody', async world => {
    await using client = world.createDialer(WORKER).dial(`${world.host}:1`)
    const call = client.unary(UNARY, '')
    call.catch(() => {})
    await assert.rejects(call, { kind: 'unavailable', code: 'rpc-refused' })
  })

  it('nobody at a Unix socket is nobody too, and who asks as soon as somebody is there is answered', async world => {
    const address = world.unixAddress()
    await using client = world.createDialer().dial(address)
    for (let i = 0; i < 5; i++) await assert.rejects(client.unary(UNARY, ''), { kind: 'unavailable', code: 'rpc-refused' })
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async text => `<${text}>`))
    await server.listen(address)
    assert.equal(await client.unary(UNARY, 'a'), '<a>')
  })

  it('messages of 8 MiB pass', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async text => text))
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    const big = 'x'.repeat(8 * 1024 * 1024)
    assert.equal((await client.unary(UNARY, big)).length, big.length)
  })

  it('a slow reader holds the sender back, both ways', async world => {
    await using server = world.createServer()
    const chunk = 'x'.repeat(256 * 1024)
    let made = 0
    let sent = 0
    server.handle(DOWN, async function* () { for (; made < 400; made++) yield chunk })
    server.handle(BOTH, async function* (requests, { signal }) {
      for await (const _ of requests) {
        yield 'got one'
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      }
    })
    await using client = world.createDialer(WORKER).dial(await listen(world, server))
    for await (const _ of client.stream(DOWN, streamOf(''))) {
      await world.elapse(300)
      break
    }
    assert.ok(made < 100, `the server made ${made} chunks for a reader of one`)
    const requests = (async function* () { for (; sent < 400; sent++) yield chunk })()
    for await (const _ of client.stream(BOTH, requests)) {
      await world.elapse(300)
      break
    }
    assert.ok(sent < 100, `the client sent ${sent} chunks to a reader of one`)
  })

  it('a stopped server ends its calls as unavailable, and the client recovers with a new server', async world => {
    const first = world.createServer()
    const ended = signalled(first)
    const address = await listen(world, first)
    await using client = world.createDialer(WORKER).dial(address)
    await assert.rejects(async () => {
      for await (const text of client.stream(DOWN, streamOf(''))) {
        assert.equal(text, 'started')
        void first[Symbol.asyncDispose]()
      }
    }, error => error instanceof ShoalError && error.kind !== 'internal')
    await ended
    await first[Symbol.asyncDispose]()
    await assert.rejects(client.unary(UNARY, ''), { kind: 'unavailable' })
    await using second = world.createServer()
    second.handle(UNARY, unaryHandler(async () => 'second'))
    await second.listen(address)
    for (let tries = 0; ; tries++) {
      try {
        assert.equal(await client.unary(UNARY, ''), 'second')
        break
      } catch (error) {
        if (tries > 50 || (!hasCode(error, 'rpc-unavailable') && !hasCode(error, 'rpc-refused'))) throw error
        await world.elapse(100)
      }
    }
  })

  it('the same method twice, and an address in use, are errors', async world => {
    await using server = world.createServer()
    server.handle(UNARY, unaryHandler(async text => text))
    assert.throws(() => server.handle(UNARY, unaryHandler(async text => text)), { code: 'method-registered-twice' })
    const address = await listen(world, server)
    await using other = world.createServer()
    await assert.rejects(other.listen(address), { code: 'address-in-use' })
  })

  messageConformance(it, listen)
  linkConformance(it)
}

/** Serves DOWN with a stream that starts and waits; resolves when its signal aborted. */
function signalled(server: RpcServer): Promise<void> {
  return new Promise<void>(resolve => {
    server.handle(DOWN, async function* (_, { signal }) {
      yield 'started'
      await new Promise<void>(done => signal.addEventListener('abort', () => done(), { once: true }))
      resolve()
    })
  })
}
