import assert from 'node:assert/strict'
import { ShoalError } from '../../../src/base/errors.ts'
import type { MessageChannel, MessageDialer, MessageServer } from '../../../src/base/message-channel.ts'
import type { RpcContext, RpcIdentity, RpcServer } from '../../../src/base/rpc.ts'
import type { RpcWorld } from './rpc-suite.ts'

const PATH = 'test.v1.Test/Messages'
const MANAGER: RpcIdentity = { nodeId: 'node2', role: 'manager', clusterId: 'cluster1' }
const STEP_MS = 5
const STEPS_MAX = 1000
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A channel, and what was told of it. */
class Sender implements Disposable {
  readonly channel: MessageChannel
  readonly told: string[] = []
  readonly errors: ShoalError[] = []

  constructor(dialer: MessageDialer, address: string, path = PATH) {
    this.channel = dialer.openMessages(address, path, {
      onReady: () => this.told.push('ready'), onAccepted: () => this.told.push('accepted'),
      onClosed: error => { this.told.push(error.code); this.errors.push(error) },
    })
    assert.deepEqual(this.told, [], 'nothing is told before there is a channel')
  }

  /** Sends once it is connected. */
  async send(world: RpcWorld, ...texts: readonly string[]): Promise<void> {
    await until(world, () => this.told.includes('ready'))
    for (const text of texts) this.channel.send(bytesOf(text))
  }

  [Symbol.dispose](): void { this.channel[Symbol.dispose]() }
}

async function until(world: RpcWorld, condition: () => boolean): Promise<void> {
  for (let steps = 0; !condition(); steps++) {
    assert(steps < STEPS_MAX, `not so: ${condition.toString()}`)
    await world.elapse(STEP_MS)
  }
}

/** The contract of src/base/message-channel.ts; every transport passes it. */
export function messageConformance(it: (title: string, body: (world: RpcWorld) => Promise<void>) => void, listen: (world: RpcWorld, server: RpcServer) => Promise<string>): void {
  const taking = (server: MessageServer): string[] => {
    const taken: string[] = []
    server.handleMessages(PATH, () => message => { taken.push(textOf(message)) })
    return taken
  }

  it('messages arrive in their order, each as it was, and the sender is told of the first', async world => {
    await using server = world.createServer()
    const taken = taking(server)
    using sender = new Sender(world.createDialer(MANAGER), await listen(world, server))
    await sender.send(world, 'first', '…')
    await until(world, () => taken.length === 2)
    await until(world, () => sender.told.includes('accepted'))
    const many = Array.from({ length: 300 }, (_, i) => `${i} ${'x'.repeat(i * 7)}`)
    for (const text of many) sender.channel.send(bytesOf(text))
    await until(world, () => taken.length === 302)
    assert.deepEqual(taken, ['first', '…', ...many])
    assert.deepEqual(sender.told.filter(told => told !== 'ready'), ['accepted'])
  })

  it('a receiver of messages knows the sender, and each sender has its own', async world => {
    await using server = world.createServer()
    const taken: string[] = []
    const seen: RpcContext[] = []
    server.handleMessages(PATH, context => {
      seen.push(context)
      return message => { taken.push(`${context.identity?.nodeId ?? 'nobody'}: ${textOf(message)}`) }
    })
    const address = await listen(world, server)
    using first = new Sender(world.createDialer(MANAGER), address)
    await first.send(world, 'a')
    await until(world, () => taken.length === 1)
    using second = new Sender(world.createDialer(), address)
    await second.send(world, 'b')
    await first.send(world, 'c')
    await until(world, () => taken.length === 3)
    assert.deepEqual(taken.filter(text => text.startsWith('node2')), ['node2: a', 'node2: c'])
    assert(taken.includes('nobody: b'))
    assert.deepEqual(seen.map(({ identity, isLocal, remoteAddress, metadata }) => ({ identity, isLocal, remoteAddress, metadata })), [MANAGER, undefined].map(identity => ({ identity, isLocal: false, remoteAddress: '127.0.0.1', metadata: {} })))
  })

  it('who is refused is told with kind, code and message: at once, or at any message', async world => {
    await using server = world.createServer()
    const taken: string[] = []
    server.handleMessages(PATH, ({ identity }) => {
      if (identity === undefined) throw new ShoalError('unauthenticated', 'no-certificate', 'who is this? "é" 100%')
      return message => {
        if (textOf(message) === 'bad') throw new ShoalError('not-found', 'member-removed', 'removed')
        if (textOf(message) === 'bug') throw new TypeError('oops')
        taken.push(textOf(message))
      }
    })
    const address = await listen(world, server)
    using stranger = new Sender(world.createDialer(), address)
    await until(world, () => stranger.errors.length > 0)
    const [refusal] = stranger.errors
    assert.deepEqual([refusal?.kind, refusal?.code, refusal?.message], ['unauthenticated', 'no-certificate', 'who is this? "é" 100%'])
    using removed = new Sender(world.createDialer(MANAGER), address)
    await removed.send(world, 'good', 'bad', 'late')
    await until(world, () => removed.errors.length > 0)
    assert.deepEqual([removed.errors[0]?.kind, removed.errors[0]?.code], ['not-found', 'member-removed'])
    using buggy = new Sender(world.createDialer(MANAGER), address)
    await buggy.send(world, 'bug')
    await until(world, () => buggy.errors.length > 0)
    assert.deepEqual([buggy.errors[0]?.kind, buggy.errors[0]?.code, buggy.errors[0]?.message], ['internal', 'internal-error', 'oops'])
    assert.deepEqual(taken, ['good'])
    for (const { errors } of [stranger, removed, buggy]) assert.equal(errors.length, 1)
  })

  it('messages that nobody takes, and addresses where nobody is, are told apart', async world => {
    await using server = world.createServer()
    const dialer = world.createDialer(MANAGER)
    using unknown = new Sender(dialer, await listen(world, server), 'test.v1.Test/Unknown')
    using nobody = new Sender(dialer, `${world.host}:1`)
    await until(world, () => unknown.errors.length + nobody.errors.length === 2)
    assert.deepEqual([unknown.errors[0]?.kind, unknown.errors[0]?.code], ['not-implemented', 'no-such-method'])
    assert.deepEqual([nobody.errors[0]?.kind, nobody.errors[0]?.code], ['unavailable', 'rpc-refused'])
  })

  it('a sender that leaves ends its channel, unheard', async world => {
    await using server = world.createServer()
    let isGone = false
    server.handleMessages(PATH, ({ signal }) => {
      signal.addEventListener('abort', () => { isGone = true })
      return () => {}
    })
    using sender = new Sender(world.createDialer(MANAGER), await listen(world, server))
    await sender.send(world, 'hello')
    await until(world, () => sender.told.includes('accepted'))
    assert.equal(isGone, false)
    sender.channel[Symbol.dispose]()
    sender.channel[Symbol.dispose]()
    await until(world, () => isGone)
    assert.deepEqual(sender.errors, [])
  })

  it('a server that stops breaks its channels; there are new ones when it is back', async world => {
    const first = world.createServer()
    taking(first)
    const address = await listen(world, first)
    const dialer = world.createDialer(MANAGER)
    using sender = new Sender(dialer, address)
    await sender.send(world, 'hello')
    await until(world, () => sender.told.includes('accepted'))
    await first[Symbol.asyncDispose]()
    await until(world, () => sender.errors.length === 1)
    assert.deepEqual([sender.errors[0]?.kind, sender.errors[0]?.code], ['unavailable', 'rpc-unavailable'])
    using refused = new Sender(dialer, address)
    await until(world, () => refused.errors.length === 1)
    assert.equal(refused.errors[0]?.code, 'rpc-refused')
    await using second = world.createServer()
    const taken = taking(second)
    await second.listen(address)
    using again = new Sender(dialer, address)
    await again.send(world, 'back')
    await until(world, () => taken.length === 1)
  })

  it('a message of 8 MiB passes, and the sender is told when to wait and when to go on', async world => {
    await using server = world.createServer()
    let takenBytes = 0
    server.handleMessages(PATH, () => message => { takenBytes += message.length })
    using sender = new Sender(world.createDialer(MANAGER), await listen(world, server))
    await until(world, () => sender.told.includes('ready'))
    const big = new Uint8Array(8 * 1024 * 1024)
    for (let sent = 0, readies = 0; sent < 5; sent++) {
      readies = sender.told.filter(told => told === 'ready').length
      if (!sender.channel.send(big)) await until(world, () => sender.told.filter(told => told === 'ready').length > readies)
    }
    await until(world, () => takenBytes === 5 * big.length)
    assert.deepEqual(sender.errors, [])
  })

  it('the same messages can not be taken twice', async world => {
    await using server = world.createServer()
    taking(server)
    assert.throws(() => taking(server), { code: 'method-registered-twice' })
  })
}
