import assert from 'node:assert/strict'
import { link, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../../test/support/until.ts'
import type { FrameLink, FrameLinkEvents } from '../../base/frame-link.ts'
import { MemoryLogger } from '../log/memory-logger.ts'
import { fixedCredentials } from './credentials-source.ts'
import { EMPTY_FRAME, frameOf } from './frames.ts'
import { GrpcServer } from './grpc-server.ts'
import { LinkSocket, type LinkTimes } from './link-socket.ts'
import { linkPathOf } from './rpc-address.ts'

const FRAME_BYTES_MAX = 1024
const TIMES: LinkTimes = { connectMs: 5_000, noteMs: 20, silenceMaxMs: 1_000, stallMs: 5_000 }

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-link-'))
  t.after(() => rm(folder, { recursive: true }))
  return join(folder, 's')
}

/** A server that keeps what it is told; each frame "echo" it sends back. */
async function serve(t: TestContext): Promise<{ readonly path: string; readonly server: GrpcServer; readonly frames: string[]; readonly links: FrameLink[]; readonly ended: string[]; readonly ready: string[]; readonly logger: MemoryLogger }> {
  const path = await place(t)
  const logger = new MemoryLogger()
  const server = new GrpcServer({ credentials: fixedCredentials({ rootCertsPem: '' }), logger })
  const [frames, links, ended, ready]: [string[], FrameLink[], string[], string[]] = [[], [], [], []]
  server.handleLinks(link => {
    links.push(link)
    return {
      frameBytesMax: FRAME_BYTES_MAX,
      onReady: () => ready.push('ready'), onClosed: error => ended.push(error.message),
      onFrame: frame => {
        frames.push(Buffer.from(frame).toString())
        if (frames.at(-1) === 'echo') link.send(frame)
        if (frames.at(-1) === 'crash') throw new TypeError('a bug')
      },
    }
  })
  await server.listen(`unix:${path}`)
  t.after(() => server[Symbol.asyncDispose]())
  return { path, server, frames, links, ended, ready, logger }
}

interface Opened { readonly link: LinkSocket; readonly told: string[]; readonly frames: string[] }
function open(t: TestContext, path: string, times: Partial<LinkTimes> = {}): Opened {
  const [told, frames]: [string[], string[]] = [[], []]
  const events: FrameLinkEvents = {
    frameBytesMax: 8 * 1024 * 1024, onReady: () => told.push('ready'), onFrame: frame => frames.push(Buffer.from(frame).toString()),
    onClosed: error => told.push((error as { code?: string }).code ?? error.message),
  }
  const link = new LinkSocket({ address: `unix:${path}`, events, times: { ...TIMES, ...times } })
  t.after(() => link[Symbol.dispose]())
  return { link, told, frames }
}

/** A bare connection to where links are taken. */
async function bare(t: TestContext, path: string): Promise<{ readonly socket: net.Socket; readonly isClosed: () => boolean }> {
  const socket = net.connect({ path: linkPathOf(path) })
  let isClosed = false
  socket.on('error', () => { isClosed = true })
  socket.on('close', () => { isClosed = true })
  t.after(() => socket.destroy())
  await new Promise<void>(resolve => socket.once('connect', resolve))
  return { socket, isClosed: () => isClosed }
}

/** A server that takes connections and otherwise does as told. */
async function speaker(t: TestContext, onSocket: (socket: net.Socket) => void): Promise<string> {
  const path = await place(t)
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    onSocket(socket)
  })
  await new Promise<void>(resolve => { server.listen({ path: linkPathOf(path) }, resolve) })
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return path
}

test('garbage ends its connection, is logged for those who look, and harms no other link', async t => {
  const { path, links, frames, logger } = await serve(t)
  const good = open(t, path)
  await until(() => good.told.includes('ready'))
  for (const garbage of ['GET / HTTP/1.1\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\xff'.repeat(100)]) {
    const { socket, isClosed } = await bare(t, path)
    socket.resume()
    socket.write(garbage, 'latin1')
    await until(isClosed)
  }
  good.link.send(Buffer.from('echo'))
  await until(() => good.frames.length === 1)
  assert.deepEqual([links.length, frames], [4, ['echo']])
  assert(logger.lines.some(line => line.level === 'debug' && line.message.startsWith('ended a link')))
  assert(!logger.lines.some(line => line.level === 'error'))
})

test('a bug in a handler ends its link and is logged as one', async t => {
  const { path, logger, ended } = await serve(t)
  const { link, told } = open(t, path)
  await until(() => told.includes('ready'))
  link.send(Buffer.from('crash'))
  await until(() => told.includes('rpc-unavailable') && ended.length === 1)
  assert(logger.lines.some(line => line.level === 'error'))
})

test('a frame may come in pieces; one that is cut off reaches nobody', async t => {
  const { path, frames, ended } = await serve(t)
  const { socket } = await bare(t, path)
  const bytes = Buffer.concat([frameOf(Buffer.from('first')), frameOf(Buffer.from('second'))])
  for (const byte of bytes) {
    socket.write(Buffer.from([byte]))
    await new Promise<void>(resolve => setImmediate(resolve))
  }
  await until(() => frames.length === 2)
  socket.end(frameOf(Buffer.from('third')).subarray(0, 7))
  await until(() => ended.length === 1)
  assert.deepEqual(frames, ['first', 'second'])
})

test('a sign of life is answered, but never behind what waits', async t => {
  const { path, links } = await serve(t)
  const { socket } = await bare(t, path)
  let received = 0
  socket.on('data', chunk => { received += chunk.length })
  await until(() => received === EMPTY_FRAME.length)
  socket.write(EMPTY_FRAME)
  await until(() => received === 2 * EMPTY_FRAME.length)
  socket.pause()
  const large = new Uint8Array(4 * 1024 * 1024)
  links[0]?.send(large)
  for (let i = 0; i < 100; i++) socket.write(EMPTY_FRAME)
  await delay(50)
  socket.resume()
  await until(() => received >= 3 * EMPTY_FRAME.length + large.length)
  socket.write(EMPTY_FRAME)
  await until(() => received >= 4 * EMPTY_FRAME.length + large.length)
  assert.equal(received, 4 * EMPTY_FRAME.length + large.length)
})

test('who sends to a slow reader is told so, and when there is room again', async t => {
  const { path, links, ready } = await serve(t)
  const { link, told, frames } = open(t, path)
  await until(() => told.includes('ready'))
  link.pause()
  const frame = Buffer.alloc(256 * 1024)
  let sent = 1
  for (; links[0]?.send(frame) === true; sent++) assert(sent < 100, 'the sender is never told')
  await delay(20)
  assert.deepEqual([ready, frames.length], [[], 0])
  link.resume()
  await until(() => ready.length === 1 && frames.length === sent)
})

test('a server that is there but says nothing is no connection', async t => {
  const path = await speaker(t, () => {})
  const { told } = open(t, path, { connectMs: 50 })
  await until(() => told.length > 0)
  assert.deepEqual(told, ['rpc-not-connected'])
})

test('one that hangs is given up, one that is only idle is not', async t => {
  const sockets: net.Socket[] = []
  const path = await speaker(t, socket => {
    sockets.push(socket)
    socket.write(EMPTY_FRAME)
    if (sockets.length === 1) socket.on('data', () => socket.write(EMPTY_FRAME))
  })
  const idle = open(t, path, { silenceMaxMs: 400 })
  await until(() => idle.told.includes('ready'))
  const hung = open(t, path, { silenceMaxMs: 400 })
  await until(() => hung.told.length === 2)
  assert.deepEqual([hung.told, idle.told], [['ready', 'rpc-unavailable'], ['ready']])
})

test('a process that did not run for a while listens first', async t => {
  const { path } = await serve(t)
  const { link, told, frames } = open(t, path, { silenceMaxMs: 100, stallMs: 90 })
  await until(() => told.includes('ready'))
  const endMs = performance.now() + 300
  while (performance.now() < endMs) { /* nothing else runs */ }
  link.send(Buffer.from('echo'))
  await until(() => frames.length === 1)
  assert.deepEqual(told, ['ready'])
})

test('a server that does not make sense is told from one that goes', async t => {
  const path = await speaker(t, socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const { told } = open(t, path)
  await until(() => told.length > 0)
  assert.deepEqual(told, ['rpc-failed'])
})

test('what a killed server left behind refuses, and the next one takes the place', async t => {
  const path = await place(t)
  const missing = open(t, path)
  await until(() => missing.told.length > 0)
  const dead = net.createServer()
  await new Promise<void>(resolve => { dead.listen({ path: linkPathOf(path) }, resolve) })
  await link(linkPathOf(path), `${path}.left`)
  await new Promise<void>(resolve => { dead.close(() => resolve()) })
  await rename(`${path}.left`, linkPathOf(path))
  const refused = open(t, path)
  await until(() => refused.told.length > 0)
  assert.deepEqual([missing.told, refused.told], [['rpc-refused'], ['rpc-refused']])
  const server = new GrpcServer({ credentials: fixedCredentials({ rootCertsPem: '' }), logger: new MemoryLogger() })
  server.handleLinks(() => ({ frameBytesMax: FRAME_BYTES_MAX, onReady: () => {}, onFrame: () => {}, onClosed: () => {} }))
  await server.listen(`unix:${path}`)
  const { told } = open(t, path)
  await until(() => told.length > 0)
  assert.deepEqual(told, ['ready'])
  await server[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(dirname(path)), [], 'the sockets go with the server')
})
