import assert from 'node:assert/strict'
import { ShoalError } from '../../../src/base/errors.ts'
import type { FrameLink, FrameLinkDialer, FrameLinkEvents, FrameLinkServer } from '../../../src/base/frame-link.ts'
import type { RpcContext } from '../../../src/base/rpc.ts'
import type { RpcWorld } from './rpc-suite.ts'

const FRAME_BYTES_MAX = 100_000
const STEP_MS = 5
const STEPS_MAX = 1000
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** One side of a link, and what was told of it. */
class Side implements FrameLinkEvents {
  readonly frameBytesMax = FRAME_BYTES_MAX
  readonly told: string[] = []
  readonly frames: string[] = []
  context: RpcContext | undefined
  link: FrameLink | undefined
  isPicky = false

  onReady(): void { this.told.push('ready') }
  onFrame(frame: Uint8Array): void {
    if (this.isPicky) throw new ShoalError('invalid-argument', 'malformed-message', 'not this')
    this.frames.push(textOf(frame))
  }
  onClosed(error: Error): void { this.told.push(error instanceof ShoalError ? error.code : error.message) }
  send(...texts: readonly string[]): void { for (const text of texts) this.link?.send(bytesOf(text)) }
}

async function until(world: RpcWorld, condition: () => boolean): Promise<void> {
  for (let steps = 0; !condition(); steps++) {
    assert(steps < STEPS_MAX, `not so: ${condition.toString()}`)
    await world.elapse(STEP_MS)
  }
}

function taking(server: FrameLinkServer): Side[] {
  const sides: Side[] = []
  server.handleLinks((link, context) => {
    const side = Object.assign(new Side(), { link, context })
    sides.push(side)
    return side
  })
  return sides
}

/** A link that is ready, and the server's side of it. */
async function opened(world: RpcWorld, dialer: FrameLinkDialer, address: string, taken: readonly Side[]): Promise<{ readonly near: Side; readonly far: Side } & Disposable> {
  const near = new Side()
  const link = near.link = dialer.openLink(address, near)
  assert.deepEqual(near.told, [], 'nothing is told before there is a link')
  await until(world, () => near.told.includes('ready'))
  const far = taken.at(-1)
  assert(far !== undefined)
  return { near, far, [Symbol.dispose]: () => link[Symbol.dispose]() }
}

/** The contract of src/base/frame-link.ts; every transport passes it. */
export function linkConformance(it: (title: string, body: (world: RpcWorld) => Promise<void>) => void): void {
  const serve = async (world: RpcWorld): Promise<{ readonly server: FrameLinkServer; readonly address: string; readonly taken: Side[] }> => {
    const server = world.createServer()
    const taken = taking(server)
    const address = world.unixAddress()
    await server.listen(address)
    return { server, address, taken }
  }

  it('frames of a link arrive in their order both ways, each as it was, and the caller is local', async world => {
    const { server, address, taken } = await serve(world)
    await using _ = server
    using link = await opened(world, world.createDialer(), address, taken)
    const { near, far } = link
    const many = Array.from({ length: 300 }, (_each, i) => `${i} ${'x'.repeat(i * 7)}`)
    near.send('first', ...many)
    far.send(...many, 'last')
    await until(world, () => near.frames.length === 301 && far.frames.length === 301)
    assert.deepEqual([far.frames, near.frames], [['first', ...many], [...many, 'last']])
    assert.deepEqual([far.context?.isLocal, far.context?.identity, far.context?.remoteAddress], [true, undefined, 'local'])
  })

  it('where nobody takes links there is no connection', async world => {
    const side = new Side()
    using _ = world.createDialer().openLink(world.unixAddress(), side)
    await until(world, () => side.told.length > 0)
    assert.deepEqual(side.told, ['rpc-refused'])
  })

  it('a side that pauses gets its frames when it goes on', async world => {
    const { server, address, taken } = await serve(world)
    await using _ = server
    using link = await opened(world, world.createDialer(), address, taken)
    const { near, far } = link
    far.link?.pause()
    near.send('a', 'b')
    await world.elapse(50)
    assert.deepEqual(far.frames, [])
    far.link?.resume()
    await until(world, () => far.frames.length === 2)
  })

  it('a frame that is too long, or makes no sense, ends that link and no other', async world => {
    const { server, address, taken } = await serve(world)
    await using _ = server
    const dialer = world.createDialer()
    using other = await opened(world, dialer, address, taken)
    {
      using link = await opened(world, dialer, address, taken)
      link.near.send('x'.repeat(FRAME_BYTES_MAX + 1), 'more')
      await until(world, () => link.near.told.includes('rpc-unavailable') && link.far.told.includes('cancelled'))
      assert.deepEqual(link.far.frames, [])
    }
    {
      using link = await opened(world, dialer, address, taken)
      link.far.isPicky = true
      link.near.send('this', 'that')
      await until(world, () => link.near.told.includes('rpc-unavailable') && link.far.told.includes('cancelled'))
    }
    {
      using link = await opened(world, dialer, address, taken)
      link.far.send('x'.repeat(FRAME_BYTES_MAX + 1))
      await until(world, () => link.near.told.includes('rpc-failed') && link.far.told.includes('cancelled'))
    }
    other.near.send('still')
    await until(world, () => other.far.frames.includes('still'))
  })

  it('a link that is put away ends for the server, and tells its own side nothing', async world => {
    const { server, address, taken } = await serve(world)
    await using _ = server
    using link = await opened(world, world.createDialer(), address, taken)
    const { near, far } = link
    near.link?.[Symbol.dispose]()
    await until(world, () => far.told.includes('cancelled'))
    assert.equal(far.context?.signal.aborted, true)
    assert.deepEqual(near.told, ['ready'])
  })

  it('a server that stops ends its links, and another at the address takes new ones', async world => {
    const { server, address, taken } = await serve(world)
    const dialer = world.createDialer()
    using link = await opened(world, dialer, address, taken)
    await server[Symbol.asyncDispose]()
    await until(world, () => link.near.told.includes('rpc-unavailable'))
    await using second = world.createServer()
    const takenBySecond = taking(second)
    await second.listen(address)
    using again = await opened(world, dialer, address, takenBySecond)
    again.near.send('hello')
    await until(world, () => again.far.frames.includes('hello'))
  })

  it('links are taken by one', async world => {
    await using server = world.createServer()
    taking(server)
    assert.throws(() => taking(server), { code: 'method-registered-twice' })
  })
}
