import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from '../../../test/support/fake-api.ts'
import { fakeBackends } from '../../../test/support/fake-backends.ts'
import type { BuildMessage, BuildRequest } from '../../api/engine/build-request.ts'
import { ShoalError } from '../../base/errors.ts'
import type { BuildBackend } from './build.ts'

/** A builder that notes what it is asked, and says one thing or fails. */
function fakeBuilder(outcome: 'builds' | 'fails at once' | 'fails later' = 'builds'): BuildBackend & { readonly requests: BuildRequest[]; readonly pruned: unknown[] } {
  const requests: BuildRequest[] = []
  const pruned: unknown[] = []
  return {
    requests, pruned,
    build: async function* (request, context): AsyncIterable<BuildMessage> {
      requests.push(request)
      for await (const _chunk of context) { /* read */ }
      if (outcome === 'fails at once') throw new ShoalError('invalid-argument', 'bad-dockerfile', 'dockerfile parse error line 1: unknown instruction: X')
      yield { stream: 'Step 1/1 : FROM x' }
      if (outcome === 'fails later') throw new ShoalError('unknown', 'copy-failed', 'COPY failed: no source files were specified')
    },
    cancel: async () => { await Promise.resolve() },
    prune: async options => { pruned.push(options); return { CachesDeleted: null, SpaceReclaimed: 0 } },
    usage: async () => [{ ID: 'c', Type: 'exec.cachemount', Description: 'd', InUse: false, Shared: false, Size: 5, CreatedAt: '2026-01-01T00:00:00Z', LastUsedAt: '2026-01-01T00:00:00Z', UsageCount: 1 }],
  }
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64')

test('every parameter of a build arrives', async () => {
  const builder = fakeBuilder()
  await using api = await startApi({ ...fakeBackends(), builder })
  const query = new URLSearchParams([
    ['t', 'a'], ['t', 'b:1'], ['dockerfile', 'D'], ['remote', 'http://x/y'], ['q', '1'], ['nocache', '1'], ['pull', '1'], ['rm', '0'], ['forcerm', '0'], ['cachefrom', '["c"]'], ['buildargs', '{"A":"1","B":null}'], ['labels', '{"l":"m"}'],
    ['target', 'T'], ['platform', 'linux/amd64'], ['networkmode', 'none'], ['memory', '5'], ['memswap', '-1'], ['cpushares', '6'], ['cpuperiod', '7'], ['cpuquota', '8'], ['cpusetcpus', '0'], ['cpusetmems', '1'], ['cgroupparent', '/p'],
    ['shmsize', '9'], ['ulimits', '[{"Name":"nofile","Soft":1,"Hard":2}]'], ['extrahosts', 'h:1.2.3.4'], ['extrahosts', 'i:1.2.3.5'], ['buildid', 'id'],
  ])
  const { status } = await api.call('POST', `/build?${query}`, undefined, { 'x-registry-config': base64({ 'r:5000': { username: 'u', password: 'p' } }), 'x-shoal-build-secrets': base64({ s: Buffer.from('hush').toString('base64') }) })
  assert.equal(status, 200)
  const [request] = builder.requests
  assert.ok(request !== undefined)
  const { secrets, registryAuth, ...rest } = request
  assert.deepEqual(rest, {
    dockerfile: 'D', tags: ['a', 'b:1'], remote: 'http://x/y', quiet: true, noCache: true, pull: true, removeContainers: false, alwaysRemoveContainers: false, cacheFrom: ['c'], buildArgs: { A: '1', B: undefined }, labels: { l: 'm' },
    target: 'T', platform: 'linux/amd64', buildId: 'id',
    hostConfig: { Memory: 5, MemorySwap: -1, CpuShares: 6, CpuPeriod: 7, CpuQuota: 8, ShmSize: 9, CpusetCpus: '0', CpusetMems: '1', CgroupParent: '/p', NetworkMode: 'none', ExtraHosts: ['h:1.2.3.4', 'i:1.2.3.5'], Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] },
  })
  assert.equal(secrets.get('s')?.toString(), 'hush')
  assert.deepEqual(JSON.parse(Buffer.from(registryAuth['r:5000'] ?? '', 'base64url').toString()), { username: 'u', password: 'p' })
})

test('containers are removed unless a client says otherwise', async () => {
  const builder = fakeBuilder()
  await using api = await startApi({ ...fakeBackends(), builder })
  for (const query of ['', 'rm=1', 'rm=0', 'rm=0&forcerm=1']) await api.call('POST', `/build?${query}`)
  assert.deepEqual(builder.requests.map(request => [request.removeContainers, request.alwaysRemoveContainers]), [[true, false], [true, false], [false, false], [true, true]])
})

test('a failure before the first message has a status, one after it a last line', async () => {
  await using early = await startApi({ ...fakeBackends(), builder: fakeBuilder('fails at once') })
  const refused = await early.call('POST', '/build')
  assert.deepEqual([refused.status, refused.body], [400, { message: 'dockerfile parse error line 1: unknown instruction: X' }])
  await using late = await startApi({ ...fakeBackends(), builder: fakeBuilder('fails later') })
  const { status, text } = await late.call('POST', '/build')
  assert.equal(status, 200)
  assert.deepEqual(text.trim().split('\r\n').map(line => JSON.parse(line) as unknown), [{ stream: 'Step 1/1 : FROM x' }, { errorDetail: { message: 'COPY failed: no source files were specified' }, error: 'COPY failed: no source files were specified' }])
})

test('what is not supported names the way out', async () => {
  await using api = await startApi({ ...fakeBackends(), builder: fakeBuilder() })
  for (const path of ['/session', '/grpc', '/build?version=2', '/build?outputs=[{}]']) {
    const { status, body } = await api.call('POST', path)
    assert.equal(status, 501, path)
    assert.match(body.message, /DOCKER_BUILDKIT=0.*shoal build/, path)
  }
  assert.equal((await api.call('POST', '/build?squash=1')).status, 400)
  assert.equal((await api.call('POST', '/build?isolation=hyperv')).body.message, 'Unsupported isolation: "hyperv"')
})

test('parameters that are no JSON, and headers that are none, are refused without a word of what is in them', async () => {
  await using api = await startApi({ ...fakeBackends(), builder: fakeBuilder() })
  for (const query of ['buildargs=x', 'labels=[', 'cachefrom={}', 'ulimits=5', 'buildargs={"A":1}']) assert.equal((await api.call('POST', `/build?${query}`)).status, 400, query)
  const { status, body } = await api.call('POST', '/build', undefined, { 'x-shoal-build-secrets': Buffer.from('{"hush').toString('base64') })
  assert.equal(status, 400)
  assert.equal(JSON.stringify(body).includes('hush'), false)
})

test('the build cache is listed and pruned', async () => {
  const builder = fakeBuilder()
  await using api = await startApi({ ...fakeBackends(), builder })
  assert.equal((await api.call('GET', '/system/df')).body.BuildCache[0].Size, 5)
  assert.deepEqual((await api.call('POST', `/build/prune?all=1&keep-storage=10&filters=${encodeURIComponent('{"until":["24h"]}')}`)).body, { CachesDeleted: null, SpaceReclaimed: 0 })
  assert.deepEqual(builder.pruned, [{ all: true, keepBytes: 10, filters: { until: ['24h'] } }])
  assert.equal((await api.call('POST', '/build/cancel?id=x')).status, 200)
})

test('without a builder the answer says what to do', async () => {
  const { builder: _none, ...backends } = fakeBackends()
  await using api = await startApi(backends)
  const { status, body } = await api.call('POST', '/build')
  assert.deepEqual([status, body.message], [501, 'building images is not supported by shoal: build elsewhere and bring the image with "docker load"'])
})
