import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startApi, type TestApi } from '../../test/support/fake-api.ts'
import { fakeBackends } from '../../test/support/fake-backends.ts'
import { frame } from '../../test/support/fake-containers.ts'

/** Writes raw bytes and gives all that comes back until the server closes; half-closes after the last part. */
function exchange(api: TestApi, parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: api.socketPath, allowHalfOpen: true })
    let received = ''
    let next = 0
    const writeNext = (): void => {
      const part = parts[next++]
      if (part === undefined) socket.end()
      else socket.write(part)
    }
    socket.on('data', chunk => {
      const isFirst = received === ''
      received += chunk.toString('latin1')
      if (isFirst) for (let left = parts.length - next + 1; left > 0; left--) writeNext()
    })
    socket.on('end', () => { socket.destroy(); resolve(received) })
    socket.on('error', reject)
    writeNext()
  })
}

test('a ping carries the headers that clients negotiate by, for GET and HEAD', async () => {
  await using api = await startApi(fakeBackends())
  for (const method of ['GET', 'HEAD']) {
    const { status, headers, text } = await api.call(method, '/_ping')
    assert.equal(status, 200)
    assert.equal(text, method === 'GET' ? 'OK' : '')
    assert.deepEqual([headers['api-version'], headers.ostype, headers['docker-experimental'], headers['builder-version'], headers.swarm], ['1.50', 'linux', 'false', '1', 'inactive'])
  }
})

test('versions outside the range are refused in the words of Docker', async () => {
  await using api = await startApi(fakeBackends())
  const tooNew = await api.call('GET', '/v1.51/_ping')
  assert.deepEqual([tooNew.status, tooNew.body], [400, { message: 'client version 1.51 is too new. Maximum supported API version is 1.50' }])
  const tooOld = await api.call('GET', '/v1.23/version')
  assert.match(tooOld.body.message, /^client version 1\.23 is too old\. Minimum supported API version is 1\.24/)
  assert.equal((await api.call('GET', '/v1.24/version')).status, 200)
})

test('unknown routes and methods answer page not found', async () => {
  await using api = await startApi(fakeBackends())
  for (const [method, path] of [['GET', '/nope'], ['GET', '/v1.41/nope'], ['PUT', '/containers/json'], ['GET', '/%zz'], ['GET', '/'], ['GET', '/v1.41']] as const) {
    const { status, body } = await api.call(method, path)
    assert.deepEqual([status, body], [404, { message: 'page not found' }], path)
  }
})

test('malformed bodies answer 400 and name the fault', async () => {
  await using api = await startApi(fakeBackends())
  const post = async (body: unknown, type = 'application/json') => {
    const { status, body: answer } = await api.call('POST', '/containers/create', body, { 'Content-Type': type })
    return [status, answer.message] as const
  }
  assert.deepEqual(await post(''), [400, 'invalid JSON: got EOF while reading request body'])
  assert.match((await post('{"Image":'))[1], /^invalid JSON: /)
  assert.deepEqual(await post({ Image: 5 }), [400, 'invalid JSON: Image must be a string, got the number 5'])
  assert.deepEqual(await post({ HostConfig: { Binds: 'x' } }), [400, 'invalid JSON: HostConfig.Binds must be a list, got the string "x"'])
  assert.deepEqual(await post('[]'), [400, 'invalid JSON: the body must be an object, got a list'])
  assert.deepEqual(await post('{}', 'text/plain'), [400, "unsupported Content-Type header (text/plain): must be 'application/json'"])
  assert.deepEqual(await post('{}'), [400, 'config cannot be empty in order to create a container'])
  assert.equal((await post(`{"Image":"${'x'.repeat(9 * 1024 * 1024)}"}`))[0], 400)
})

test('attach upgrades, frames output by version, and keeps output after the client half-closed', async () => {
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'] })
  await api.call('POST', `/containers/${Id}/start`)
  const head = (version: string): string => `POST /v${version}/containers/${Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`
  assert.equal(await exchange(api, [head('1.50'), 'hello']),
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${frame(1, 'hello').toString('latin1')}`)
})

test('a body beside an upgrade is not taken for input', async () => {
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'] })
  await api.call('POST', `/containers/${Id}/start`)
  const head = `POST /v1.50/containers/${Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"stream":true}`
  assert.ok((await exchange(api, [head, 'hello'])).endsWith(frame(1, 'hello').toString('latin1')))
})

test('attach without Upgrade answers the old way, with 200 and a raw stream', async () => {
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'], Tty: true })
  await api.call('POST', `/containers/${Id}/start`)
  const head = `POST /v1.24/containers/${Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n`
  assert.equal(await exchange(api, [`${head}\r\n`, 'raw']), 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nraw')
  await api.call('POST', `/containers/${Id}/start`)
  assert.equal(await exchange(api, [`${head}Transfer-Encoding: chunked\r\n\r\n`, '3\r\nraw\r\n', '0\r\n\r\n']), 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nraw')
})

test('attach to an unknown container is a plain 404', async () => {
  await using api = await startApi(fakeBackends())
  const answer = await exchange(api, ['POST /containers/none/attach?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'])
  assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/)
  assert.match(answer, /No such container: none/)
})

test('attach over a WebSocket carries both directions', async () => {
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'], Tty: true })
  await api.call('POST', `/containers/${Id}/start`)
  const socket = new WebSocket(`ws+unix://${api.socketPath}:/v1.41/containers/${Id}/attach/ws?stream=1&stdin=1&stdout=1`)
  const received = new Promise<string>((resolve, reject) => {
    socket.on('message', data => resolve(String(data)))
    socket.on('error', reject)
  })
  socket.on('open', () => socket.send('typed'))
  assert.equal(await received, 'typed')
  socket.terminate()
})

test('wait sends its headers before the container ends', async () => {
  const backends = fakeBackends()
  await using api = await startApi(backends)
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['serve'] })
  await api.call('POST', `/containers/${Id}/start`)
  const socket = connect(api.socketPath)
  const first = new Promise<string>(resolve => socket.once('data', chunk => resolve(String(chunk))))
  socket.write(`POST /containers/${Id}/wait HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.match(await first, /^HTTP\/1\.1 200 OK\r\n/)
  const rest = new Promise<string>(resolve => socket.once('data', chunk => resolve(String(chunk))))
  await api.call('POST', `/containers/${Id}/stop`)
  assert.match(await rest, /\{"StatusCode":137\}/)
  socket.destroy()
})

test('upgrade offers on ordinary requests are ignored', async () => {
  await using api = await startApi(fakeBackends())
  const answer = await exchange(api, ['GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n'])
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
})

test('starting a started container is 304 and an unknown filter 400', async () => {
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { image: 'busybox', cmd: 'serve' })
  assert.equal((await api.call('POST', `/containers/${Id}/start`)).status, 204)
  assert.deepEqual([(await api.call('POST', `/containers/${Id}/start`)).status, (await api.call('POST', `/containers/${Id}/start`)).text], [304, ''])
  const { status, body } = await api.call('GET', `/containers/json?filters=${encodeURIComponent('{"color":["x"]}')}`)
  assert.deepEqual([status, body.message], [400, "invalid filter 'color'"])
})

test('dispose cuts streams and closes the listener', async () => {
  const api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['serve'] })
  await api.call('POST', `/containers/${Id}/start`)
  const following = api.call('GET', `/containers/${Id}/logs?stdout=1&follow=1`).then(() => 'ended', () => 'cut')
  await api.call('GET', '/_ping')
  await api[Symbol.asyncDispose]()
  assert.equal(await following, 'cut')
})

test('info says what clients of its version expect', async () => {
  const backends = fakeBackends()
  await using api = await startApi({ ...backends, system: { ...backends.system, info: async () => ({ CgroupVersion: '1' }) } })
  const now = (await api.call('GET', '/info')).body
  const old = (await api.call('GET', '/v1.41/info')).body
  assert.deepEqual([now.BridgeNfIptables, old.BridgeNfIptables, now.OomKillDisable], [undefined, true, true])
  assert.deepEqual([now.Swarm.LocalNodeState, now.Swarm.RemoteManagers, now.Plugins.Authorization, now.Name], ['inactive', null, null, ''])
})

test('lists carry what typed clients insist on', async () => {
  await using api = await startApi(fakeBackends())
  await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['serve'] })
  const [container] = (await api.call('GET', '/containers/json?all=1')).body
  assert.deepEqual([container.HostConfig, container.NetworkSettings, container.Mounts], [{ NetworkMode: 'default' }, { Networks: {} }, []])
  const [image] = (await api.call('GET', '/v1.43/images/json')).body
  assert.deepEqual([image.ParentId, image.RepoDigests, image.VirtualSize, (await api.call('GET', '/images/json')).body[0].VirtualSize], ['', [], 1000, undefined])
})

test('only cluster volumes are updated: without a manager and with one the answer is what dockerd says of other volumes', async () => {
  const backends = fakeBackends()
  await using api = await startApi(backends)
  const outside = await api.call('PUT', '/volumes/data?version=1', {})
  assert.deepEqual([outside.status, outside.body.message], [503, 'volume update only valid for cluster volumes, but swarm is unavailable'])
  backends.control.init({} as Parameters<typeof backends.control.init>[0])
  const inside = await api.call('PUT', '/volumes/data?version=1', {})
  assert.deepEqual([inside.status, inside.body.message], [404, 'volume data not found'])
  assert.equal((await api.call('PUT', '/volumes/data?version=x', {})).status, 400)
})

test('a large list is one JSON array, and an empty one is empty', async () => {
  const backends = fakeBackends()
  backends.control.init({} as Parameters<typeof backends.control.init>[0])
  await using api = await startApi(backends)
  assert.deepEqual((await api.call('GET', '/tasks')).body, [])
  await api.call('POST', '/services/create', { Name: 'web', Mode: { Replicated: { Replicas: 1234 } }, TaskTemplate: { ContainerSpec: { Image: 'busybox' } } })
  const { body, headers } = await api.call('GET', '/tasks')
  assert.deepEqual([body.length, body[1233].Slot, headers['content-type']], [1234, 1234, 'application/json'])
})
