import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startApi } from '../../test/support/fake-api.ts'
import { fakeBackends } from '../../test/support/fake-backends.ts'
import { SeededRandom } from '../platform/clock/seeded-random.ts'
import { randomInt, type Random } from '../base/random.ts'

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH']
const PATHS = [
  '/_ping', '/version', '/info', '/events?until=1', '/system/df', '/auth', '/containers/json', '/containers/create', '/containers/x/start', '/containers/x/wait', '/containers/x/logs',
  '/containers/x/attach', '/containers/x/archive', '/containers/x/resize', '/containers/x/update', '/containers/x/exec', '/exec/x/start', '/exec/x/resize', '/images/json', '/images/create',
  '/images/a/b/c/json', '/images/x/tag', '/images/load', '/networks', '/networks/create', '/networks/x/connect', '/volumes/create', '/volumes/x', '/distribution/x/json', '/swarm', '/swarm/init',
  '/swarm/join', '/swarm/update', '/swarm/unlock', '/nodes', '/nodes/x/update', '/services', '/services/create', '/services/x/update', '/services/x/logs', '/tasks', '/secrets/create',
  '/configs/create', '/configs/x/update', '/plugins', '/build', '/session', '/commit', '/no/such/thing', '/v1.41/services/create', '/v99.1/info', '/v1.x/info', '//', '/%',
]
const PARAMETERS = ['version', 'filters', 'all', 'limit', 'h', 'w', 'condition', 'stdout', 'stderr', 'tail', 'since', 'until', 'path', 'name', 'rollback', 'status', 'fromImage', 'fromSrc', 'type', 'stream']
const VALUES: readonly unknown[] = [null, true, false, 0, -1, 1.5, 1e308, '', 'x', '\u0000', '🐟', [], {}, [null], [[]], { '': null }, { __proto__: { a: 1 } }, { key: 'value' }]
const FIELDS = [
  'Name', 'Labels', 'TaskTemplate', 'ContainerSpec', 'Image', 'Env', 'Mounts', 'Mode', 'Replicated', 'Replicas', 'HostConfig', 'NetworkingConfig', 'Cmd', 'Spec', 'Data', 'Role', 'Availability',
  'UpdateConfig', 'EndpointSpec', 'Ports', 'IPAM', 'Config', 'Driver', 'Resources', 'Limits', 'Placement', 'RestartPolicy', 'Condition', 'UnlockKey', 'Detach', 'constructor', '__proto__',
]

const oneOf = <T>(random: Random, all: readonly T[]): T => all[randomInt(random, all.length)] as T

function randomJson(random: Random, depth: number): unknown {
  if (depth === 0 || random.next() < 0.3) return oneOf(random, VALUES)
  return Object.fromEntries(Array.from({ length: 1 + randomInt(random, 5) }, () => [oneOf(random, FIELDS), randomJson(random, depth - 1)]))
}

function randomTarget(random: Random): string {
  const query = Array.from({ length: randomInt(random, 4) }, () => `${oneOf(random, PARAMETERS)}=${encodeURIComponent(String(oneOf(random, [JSON.stringify(randomJson(random, 2)), '1', '-1', 'x', '{"label":{"a":true}}', '']) ?? ''))}`).join('&')
  const path = oneOf(random, PATHS)
  return query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`
}

for (const isManager of [false, true]) {
  test(`no request fails with anything but a well-formed error (${isManager ? 'manager' : 'no swarm'})`, async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = new SeededRandom(seed)
      const backends = fakeBackends()
      if (isManager) backends.control.init({} as Parameters<typeof backends.control.init>[0])
      await using api = await startApi(backends)
      for (let index = 0; index < 150; index++) {
        const method = oneOf(random, METHODS)
        const target = randomTarget(random)
        if (/events/.test(target) && !/until=1(&|$)/.test(target)) continue
        const body = method === 'GET' || method === 'HEAD' || random.next() < 0.2 ? undefined : random.next() < 0.2 ? '{"broken":' : randomJson(random, 4)
        const { status, body: answer } = await api.call(method, target, body === undefined ? undefined : JSON.stringify(body))
        const told = `seed ${seed}: ${method} ${target} ${JSON.stringify(body)} -> ${status} ${JSON.stringify(answer)}`
        assert(status < 500 || status === 501 || status === 503, told)
        if (status >= 400 && method !== 'HEAD') assert.equal(typeof answer.message, 'string', told)
      }
      assert.equal((await api.call('GET', '/_ping')).text, 'OK')
    }
  })
}

test('garbage on the wire and cut connections leave the server working', async () => {
  const random = new SeededRandom(7)
  await using api = await startApi(fakeBackends())
  const { body: { Id } } = await api.call('POST', '/containers/create', { Image: 'busybox', Cmd: ['cat'] })
  await api.call('POST', `/containers/${Id}/start`)
  const starts = [
    'GET / HTTP/1.1\r\n\r\n', 'GET /_ping HTTP/9.9\r\n\r\n', 'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"Image"',
    'POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', `POST /containers/${Id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    `GET /containers/${Id}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n`, `GET /containers/${Id}/attach/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    'GET /events HTTP/1.1\r\nHost: x\r\n\r\n', `POST /containers/${Id}/wait HTTP/1.1\r\nHost: x\r\n\r\n`, 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', '\u0016\u0003\u0001\u0002\u0000',
  ]
  for (let index = 0; index < 60; index++) {
    await new Promise<void>(resolve => {
      const socket = connect(api.socketPath)
      socket.on('error', () => resolve())
      socket.on('close', () => resolve())
      socket.write(index < starts.length * 2 ? oneOf(random, starts) : random.bytes(1 + randomInt(random, 2000)), () => {
        socket.write(random.bytes(20), () => socket.destroy())
      })
    })
  }
  assert.equal((await api.call('GET', '/_ping')).text, 'OK')
})
