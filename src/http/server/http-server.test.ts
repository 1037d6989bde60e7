import assert from 'node:assert/strict'
import { link, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { createServer, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createCertificateRequest } from '../../ca/certificate-request.ts'
import { signNodeCertificate } from '../../ca/node-certificate.ts'
import { createRootCa } from '../../ca/root-ca.ts'
import { ShoalError } from '../../base/errors.ts'
import { CryptoRandom } from '../../platform/clock/crypto-random.ts'
import { SystemClock } from '../../platform/clock/system-clock.ts'
import { MemoryLogger } from '../../platform/log/memory-logger.ts'
import { HttpServer } from './http-server.ts'
import { json } from './reply.ts'
import { route } from './route.ts'
import { Router } from './router.ts'
import { ReplySender } from './send-reply.ts'
import { WebSocketUpgrader } from './websocket.ts'

const clock = new SystemClock()

function newServer(): HttpServer {
  const routes = [
    route('GET', '/hello', () => json({ hello: 'world' })),
    route('POST', '/refuses', async request => {
      for await (const _chunk of request.body) throw new ShoalError('invalid-argument', 'no', 'not this one')
      return json({})
    }),
    route('GET', '/fails', () => { throw new Error('broken inside') }),
  ]
  return new HttpServer({ router: new Router(routes), sender: new ReplySender(clock, new WebSocketUpgrader()), logger: new MemoryLogger(), clock, headers: { 'X-Test': '1' } })
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-http-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('a socket that nobody listens on any more is replaced, with the permissions asked for', async () => inFolder(async folder => {
  const path = join(folder, 'api.sock')
  const left = createServer()
  await new Promise<void>(resolve => { left.listen(path, resolve) })
  await using first = newServer()
  await assert.rejects(first.listen(path), (error: ShoalError) => error.code === 'address-in-use')
  // Moving it away keeps the file when its owner closes: what a killed daemon leaves behind.
  const stale = join(folder, 'stale.sock')
  await link(path, stale)
  await new Promise(resolve => { left.close(resolve) })
  await first.listen(`unix://${stale}`, { socketMode: 0o600 })
  assert.equal((await stat(stale)).mode & 0o777, 0o600)
}))

test('a plain file in the way is not removed', async () => inFolder(async folder => {
  const path = join(folder, 'file')
  await writeFile(path, 'precious')
  await using server = newServer()
  await assert.rejects(server.listen(`unix://${path}`), (error: ShoalError) => error.code === 'address-in-use')
  assert.equal(await readFile(path, 'utf8'), 'precious')
}))

test('addresses that are none are refused', async () => {
  await using server = newServer()
  for (const address of ['tcp://localhost', 'tcp://x:99999', 'http://x:1', 'x']) {
    await assert.rejects(server.listen(address), (error: ShoalError) => error.code === 'bad-listen-address', address)
  }
})

test('it serves TCP, and an unexpected failure is a 500 with its text', async () => {
  await using server = newServer()
  const port = await server.listen('tcp://127.0.0.1:0')
  const answer = await new Promise<string>(resolve => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => { text += String(chunk) })
    socket.on('end', () => resolve(text))
    socket.write('GET /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  })
  assert.match(answer, /^HTTP\/1\.1 500 /)
  assert.match(answer, /X-Test: 1/)
  assert.match(answer, /\{"message":"broken inside"\}/)
})

test('with a client authority, TLS lets in only clients that it signed', async () => {
  const random = new CryptoRandom()
  const root = createRootCa({ nowMs: clock.nowMs(), random })
  const pairOf = (caller: { readonly nodeId: string }, authority = root): { cert: string; key: string } => {
    const { csrPem, keyPem } = createCertificateRequest()
    return { cert: signNodeCertificate({ csrPem, root: authority, identity: { ...caller, role: 'manager', clusterId: 'c' }, nowMs: clock.nowMs(), random }), key: keyPem }
  }
  const own = pairOf({ nodeId: 'server' })
  await using server = newServer()
  const port = await server.listen('tcp://127.0.0.1:0', { tls: { certPem: own.cert, keyPem: own.key, clientCaPem: root.certPem } })
  const get = (pair: { readonly cert?: string; readonly key?: string }): Promise<number | string> => new Promise(resolve => {
    request({ host: '127.0.0.1', port, path: '/hello', ca: root.certPem, servername: 'server', agent: false, ...pair }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    }).on('error', () => resolve('refused')).end()
  })
  assert.equal(await get(pairOf({ nodeId: 'client' })), 200)
  assert.equal(await get({}), 'refused')
  assert.equal(await get(pairOf({ nodeId: 'client' }, createRootCa({ nowMs: clock.nowMs(), random }))), 'refused')
})

/** Sends that and returns what comes back. */
async function exchange(port: number, parts: readonly (string | Buffer)[]): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += String(chunk)
      if (text.endsWith('}\n')) socket.end()
    })
    socket.on('error', error => { text += `ERROR ${error.message}` })
    socket.on('close', () => resolve(text))
    for (const part of parts) socket.write(part)
  })
}

test('a client whose upload is refused gets to read why, though it is still sending', async () => {
  await using server = newServer()
  const port = await server.listen('tcp://127.0.0.1:0')
  const chunk = Buffer.alloc(100_000)
  const answer = await exchange(port, ['POST /refuses HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n', ...Array.from({ length: 100 }, () => chunk)])
  assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*\{"message":"not this one"\}\n$/)
})

test('what is no HTTP request is told so, and by which limit', async () => {
  await using server = newServer()
  const port = await server.listen('tcp://127.0.0.1:0')
  assert.match(await exchange(port, ['\u0016\u0003\u0001 garbage\r\n\r\n']), /^HTTP\/1\.1 400 [\s\S]*\{"message":"malformed HTTP request"\}/)
  assert.match(await exchange(port, [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(300_000)}\r\n\r\n`]), /^HTTP\/1\.1 431 [\s\S]*\{"message":"the request's headers are larger than 262144 bytes"\}/)
})
