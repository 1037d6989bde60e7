import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { FakeClock } from '../../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { ForwardProxy } from '../../../test/support/forward-proxy.ts'
import { digestOf, MemoryRegistry } from '../../../test/support/memory-registry.ts'
import { FakeKernel } from '../../kernel/fake-kernel.ts'
import { createLocalEngine, type LocalEngine } from '../local-engine.ts'
import { NameLookup } from './name-lookup.ts'
import { DEFAULT_REGISTRY_CONFIG, type RegistryConfig } from './registry-config.ts'

const owned: AsyncDisposable[] = []
const roots: string[] = []
afterEach(async () => {
  for (const each of owned.splice(0).reverse()) await each[Symbol.asyncDispose]()
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

interface World { readonly engine: LocalEngine; readonly registry: MemoryRegistry; readonly clock: FakeClock; readonly root: string; readonly downloads: () => readonly string[] }

async function open(config: Partial<RegistryConfig> = {}, root = mkdtempSync('/tmp/shoal-registry-'), names = new NameLookup()): Promise<World> {
  roots.push(root)
  const registry = await MemoryRegistry.listen()
  owned.push(registry)
  const clock = new FakeClock()
  const engine = await createLocalEngine({
    dataRoot: join(root, 'd'), execRoot: join(root, 'r'), cgroupParent: '/t', monitorPath: import.meta.filename, kernel: new FakeKernel({}), clock, random: new SeededRandom(1), logger: new MemoryLogger(), architecture: 'amd64',
    snapshotter: 'copy', names, registries: () => ({ ...DEFAULT_REGISTRY_CONFIG, certificateFolders: [], ...config }),
  })
  owned.push(engine)
  return { engine, registry, clock, root, downloads: () => readdirSync(join(root, 'd/downloads')) }
}

/** Lets time pass whenever somebody waits for it. */
async function passing<T>({ clock }: World, work: Promise<T>): Promise<T> {
  let isDone = false
  const done = (): void => { isDone = true }
  work.then(done, done)
  while (!isDone) {
    await new Promise<void>(resolve => { setImmediate(resolve) })
    if (clock.pendingCount > 0) await clock.advance(1000)
  }
  return work
}

async function collect(lines: AsyncIterable<Readonly<Record<string, unknown>>>): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const all: Readonly<Record<string, unknown>>[] = []
  for await (const line of lines) all.push(line)
  return all
}

function pull({ engine, registry }: World, name = 'team/app:1', more: { readonly platform?: string; readonly auth?: unknown; readonly allTags?: boolean; readonly signal?: AbortSignal } = {}) {
  return collect(engine.images.pull({
    reference: `${registry.domain}/${name}`, allTags: more.allTags ?? false, ...(more.platform === undefined ? {} : { platform: more.platform }),
    ...(more.auth === undefined ? {} : { registryAuth: Buffer.from(JSON.stringify(more.auth)).toString('base64url') }),
  }, more.signal))
}

const layerOf = (text: string): Buffer => Buffer.from(text.repeat(5000))
const texts = (lines: readonly Readonly<Record<string, unknown>>[]): readonly unknown[] => lines.filter(line => line['progress'] === undefined).map(({ id, status }) => (id === undefined ? status : `${String(id)}: ${String(status)}`))

test('a pull brings manifest, configuration and layers, says so in Docker\'s words, and asks for nothing the second time', async () => {
  const world = await open()
  const layer = layerOf('one')
  const digest = world.registry.addImage('team/app', '1', [layer])
  const id = digestOf(layer).slice(7, 19)
  assert.deepEqual(texts(await pull(world)), [
    '1: Pulling from team/app', `${id}: Pulling fs layer`, `${id}: Verifying Checksum`, `${id}: Download complete`, `${id}: Pull complete`,
    `Digest: ${digest}`, `Status: Downloaded newer image for ${world.registry.domain}/team/app:1`,
  ])
  const { RepoTags: tags, RepoDigests: digests } = await world.engine.images.inspect(`${world.registry.domain}/team/app:1`)
  assert.deepEqual([tags, digests], [[`${world.registry.domain}/team/app:1`], [`${world.registry.domain}/team/app@${digest}`]])
  world.registry.requests.length = 0
  assert.equal(texts(await pull(world)).at(-1), `Status: Image is up to date for ${world.registry.domain}/team/app:1`)
  assert.deepEqual(world.registry.requests, ['GET /v2/', 'HEAD /v2/team/app/manifests/1'])
  assert.deepEqual(world.downloads(), [])
})

test('a transfer that breaks off goes on where it stopped, as often as it takes', async () => {
  const world = await open()
  const layer = layerOf('cut')
  world.registry.addImage('team/app', '1', [layer])
  world.registry.behaviour.cuts.set(digestOf(layer), 3)
  const lines = await passing(world, pull(world))
  const asked = world.registry.requests.filter(line => line.includes(digestOf(layer))).map(line => line.split(' ')[2])
  assert.deepEqual(asked, [undefined, 'bytes=7500-', 'bytes=11250-', 'bytes=13125-'])
  assert.ok(lines.some(({ status }) => status === 'Retrying in 5 seconds'))
  assert.deepEqual(world.downloads(), [])
})

test('a registry without ranges sends all of it again', async () => {
  const world = await open()
  const layer = layerOf('all')
  world.registry.addImage('team/app', '1', [layer])
  world.registry.behaviour.cuts.set(digestOf(layer), 1)
  world.registry.behaviour.ignoresRanges = true
  await passing(world, pull(world))
  assert.equal(world.registry.requests.filter(line => line.includes(digestOf(layer))).length, 2)
})

test('a registry that only ever breaks off is given up, and the next pull goes on with what came', async () => {
  const world = await open({ attemptsMax: 1 })
  const layer = layerOf('try')
  world.registry.addImage('team/app', '1', [layer])
  world.registry.behaviour.cuts.set(digestOf(layer), Infinity)
  // Each try brings half of the rest; the last byte cannot be halved.
  await assert.rejects(passing(world, pull(world)), { code: 'registry-unreachable' })
  assert.deepEqual(world.downloads(), [`${digestOf(layer).slice(7)}.part`])
  world.registry.behaviour.cuts.clear()
  world.registry.requests.length = 0
  await pull(world)
  assert.match(world.registry.requests.find(line => line.includes(digestOf(layer))) ?? '', /bytes=\d+-$/)
  assert.deepEqual(world.downloads(), [])
})

test('what a killed daemon had begun is continued; if it suffered, it is fetched anew', async () => {
  const world = await open()
  const [good, bad] = [layerOf('good'), layerOf('bad')]
  world.registry.addImage('team/app', '1', [good, bad])
  const part = (layer: Buffer): string => join(world.root, 'd/downloads', `${digestOf(layer).slice(7)}.part`)
  writeFileSync(part(good), good.subarray(0, 100))
  writeFileSync(part(bad), Buffer.alloc(200))
  await pull(world)
  const asked = (layer: Buffer): readonly (string | undefined)[] => world.registry.requests.filter(line => line.includes(digestOf(layer))).map(line => line.split(' ')[2])
  assert.deepEqual(asked(good), ['bytes=100-'])
  assert.deepEqual(asked(bad), ['bytes=200-', undefined])
})

test('a layer, configuration or manifest with a byte changed is refused, and nothing of it stays', async () => {
  for (const which of ['layer', 'config', 'manifest'] as const) {
    const world = await open()
    const layer = layerOf(which)
    const manifest = world.registry.addImage('team/app', '1', [layer])
    const config = [...world.registry.blobs.keys()].find(digest => digest !== digestOf(layer)) ?? ''
    world.registry.behaviour.tampered.add({ layer: digestOf(layer), config, manifest }[which])
    await assert.rejects(pull(world), { code: 'registry-refused', message: /verification failed for digest sha256:/ }, which)
    assert.deepEqual(await world.engine.images.list({ all: true }), [])
    assert.deepEqual([world.downloads(), readdirSync(join(world.root, 'd/layers')).sort()], [[], ['blobs', 'tmp']])
  }
})

test('layers must be what the configuration says they are', async () => {
  const world = await open()
  world.registry.addImage('team/app', '1', [layerOf('a')], { diffIds: [digestOf(layerOf('b'))] })
  await assert.rejects(pull(world), { message: /failed to register layer: .* has digest/ })
  world.registry.addImage('team/app', '2', [layerOf('a')], { diffIds: [] })
  await assert.rejects(pull(world, 'team/app:2'), { message: "layers from manifest don't match image configuration" })
  assert.deepEqual(readdirSync(join(world.root, 'd/layers')).sort(), ['blobs', 'tmp'])
})

test('of an index the image for the platform comes, and no other does instead', async () => {
  const world = await open()
  const { registry } = world
  const images = ['amd64', 'arm64'].map(architecture => ({ architecture, digest: registry.addImage('team/app', architecture, [layerOf(architecture)], { architecture }) }))
  const top = registry.addManifest('team/app', '1', {
    schemaVersion: 2, manifests: images.map(({ architecture, digest }) => ({ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1, platform: { os: 'linux', architecture } })),
  }, 'application/vnd.oci.image.index.v1+json')
  const ref = `${registry.domain}/team/app:1`
  await pull(world)
  assert.equal((await world.engine.images.inspect(ref)).Architecture, 'amd64')
  assert.deepEqual((await world.engine.images.inspect(ref)).RepoDigests, [`${registry.domain}/team/app@${top}`])
  await pull(world, 'team/app:1', { platform: 'linux/arm64/v8' })
  assert.equal((await world.engine.images.inspect(ref)).Architecture, 'arm64')
  await assert.rejects(pull(world, 'team/app:1', { platform: 'linux/s390x' }), { kind: 'not-found', message: 'no matching manifest for linux/s390x in the manifest list entries' })
  assert.deepEqual((await world.engine.images.distribution(ref, undefined)).Platforms, [{ os: 'linux', architecture: 'amd64' }, { os: 'linux', architecture: 'arm64' }])
})

test('foreign layers, schema 1, plugins and bottomless images are refused by name', async () => {
  const world = await open()
  const { registry } = world
  registry.addImage('team/app', 'foreign', [layerOf('f')], { layerType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' })
  registry.addManifest('team/app', 'old', { schemaVersion: 1, name: 'x' }, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
  registry.addManifest('team/app', 'plugin', { schemaVersion: 2, config: { mediaType: 'application/vnd.docker.plugin.v1+json', ...registry.addBlob(Buffer.from('{}')) }, layers: [] })
  registry.addImage('team/app', 'deep', Array.from({ length: 126 }, (_, at) => Buffer.from(`layer ${at}`)))
  const reasons = { foreign: /foreign layer/, old: /schema 1 support has been removed/, plugin: /\(plugin\) when fetching/, deep: /max depth exceeded/ }
  for (const [tag, message] of Object.entries(reasons)) await assert.rejects(pull(world, `team/app:${tag}`), { message }, tag)
  assert.ok(!registry.requests.some(line => line.startsWith('GET') && line.includes('/blobs/')))
})

test('a login is by password or by token, and wrong credentials are told apart from none', async () => {
  for (const kind of ['basic', 'bearer'] as const) {
    const world = await open()
    const { engine, registry } = world
    registry.addImage('team/app', '1', [layerOf('secret')])
    registry.behaviour.auth = { kind, username: 'me', password: 'right' }
    const right = { username: 'me', password: 'right', serveraddress: registry.domain }
    assert.deepEqual(await engine.images.login(right), { Status: 'Login Succeeded', IdentityToken: kind === 'basic' ? '' : 'again' })
    await assert.rejects(engine.images.login({ ...right, password: 'wrong' }), { kind: 'unauthenticated', code: 'login-denied' })
    await assert.rejects(pull(world), { message: kind === 'basic' ? /no basic auth credentials$/ : /^unauthorized/ })
    await pull(world, 'team/app:1', { auth: right })
    assert.equal((await engine.images.distribution(`${registry.domain}/team/app:1`, Buffer.from(JSON.stringify({ auth: Buffer.from('me:right').toString('base64') })).toString('base64url'))).Platforms?.length, 1)
  }
})

test('a push sends what is missing, takes over what another repository has, and goes on after a break', async () => {
  const world = await open()
  const { engine, registry } = world
  const push = (name: string): Promise<readonly Readonly<Record<string, unknown>>[]> => passing(world, collect(engine.images.push({ name: `${registry.domain}/${name}`, tag: '1' })))
  await engine.images.import(Readable.from([layerOf('push')]), { repository: `${registry.domain}/one`, tag: '1', changes: [] })
  await engine.images.tag(`${registry.domain}/one:1`, `${registry.domain}/two`, '1')
  registry.behaviour.uploadCutsLeft = 1
  const first = await push('one')
  const id = digestOf(layerOf('push')).slice(7, 19)
  assert.deepEqual(texts(first).slice(0, 2), [`The push refers to repository [${registry.domain}/one]`, `${id}: Preparing`])
  assert.ok(texts(first).includes(`${id}: Pushed`))
  const { digest } = (first.at(-1)?.['aux'] ?? {}) as { digest?: string; Digest?: string } & { digest?: string }
  assert.equal(digest, undefined)
  assert.ok(registry.manifests.has('one:1'))
  assert.ok(texts(await push('two')).includes(`${id}: Layer already exists`))
  const [pushed] = (await engine.images.inspect(`${registry.domain}/one:1`)).RepoDigests ?? []
  assert.equal(pushed, `${registry.domain}/one@${digestOf(registry.manifests.get('one:1')?.bytes ?? Buffer.alloc(0))}`)
  await engine.images.remove(`${registry.domain}/one:1`, { force: true, prune: true })
  await engine.images.remove(`${registry.domain}/two:1`, { force: true, prune: true })
  await pull(world, 'one:1')
})

test('a pull whose client leaves stops, and so does its registry\'s work', async () => {
  const world = await open()
  world.registry.addImage('team/app', '1', [layerOf('gone')])
  const gone = new AbortController()
  world.registry.behaviour.cuts.set(digestOf(layerOf('gone')), Infinity)
  const pulling = pull(world, 'team/app:1', { signal: gone.signal })
  while (world.clock.pendingCount === 0) await new Promise<void>(resolve => { setImmediate(resolve) })
  gone.abort(new Error('the client left'))
  await assert.rejects(pulling, { message: 'the client left' })
  assert.equal(world.clock.pendingCount, 0)
})

test('a registry that is not there, or does not have it, says so as dockerd does', async () => {
  const world = await open()
  await assert.rejects(pull(world, 'team/none:9'), { kind: 'not-found', message: `manifest for ${world.registry.domain}/team/none:9 not found: manifest unknown: manifest unknown` })
  world.registry.behaviour.failWith = { status: 403, code: 'DENIED', times: 9 }
  await assert.rejects(pull(world), { kind: 'not-found', message: new RegExp(`^pull access denied for ${world.registry.domain}/team/app, repository does not exist or may require 'docker login': denied`) })
  await assert.rejects(collect(world.engine.images.pull({ reference: '127.0.0.1:1/x', allTags: false })), { message: 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' })
})

test('a mirror that fails is passed over, and one that serves is enough', async () => {
  const mirror = await MemoryRegistry.listen()
  owned.push(mirror)
  const world = await open({ mirrors: ['http://127.0.0.1:1', `http://${mirror.domain}/`] })
  mirror.addImage('library/tiny', 'latest', [layerOf('tiny')])
  await collect(world.engine.images.pull({ reference: 'tiny:latest', allTags: false }))
  assert.deepEqual((await world.engine.images.inspect('tiny')).RepoTags, ['tiny:latest'])
})

test('all tags of a repository come with one request', async () => {
  const world = await open()
  for (const tag of ['1', '2']) world.registry.addImage('team/app', tag, [gzipSync(layerOf(tag))], { diffIds: [digestOf(layerOf(tag))] })
  await pull(world, 'team/app', { allTags: true })
  assert.equal((await world.engine.images.list({})).length, 2)
})

test('downloads that nobody took up again for a day go when the daemon starts, and all that rest go with a prune', async () => {
  const root = mkdtempSync('/tmp/shoal-registry-')
  const world = await open({}, root)
  const path = join(root, 'd/downloads', `${'0'.repeat(64)}.part`)
  writeFileSync(path, 'x')
  truncateSync(path, 50)
  assert.equal((await world.engine.images.prune({})).SpaceReclaimed, 50)
  assert.equal(existsSync(path), false)
})

test('an image that is here is described within a second while no name server answers', async () => {
  let isDead = false
  const names = new NameLookup(() => (isDead ? new Promise(() => undefined) : Promise.resolve([{ address: '127.0.0.1', family: 4 }])))
  const world = await open({}, undefined, names)
  const { engine, registry, clock } = world
  const digest = registry.addImage('team/app', '1', [layerOf('known')])
  const name = `registry.test:${registry.domain.split(':')[1] ?? ''}/team/app`
  await collect(engine.images.pull({ reference: `${name}:1`, allTags: false }))
  assert.equal((await engine.images.distribution(`${name}:1`, undefined)).Descriptor?.digest, digest)
  await engine.images.import(Readable.from([Buffer.from('tar')]), { repository: `${name}2`, changes: [] })
  isDead = true
  const before = clock.monotonicMs()
  assert.deepEqual(await passing(world, engine.images.distribution(`${name}:1`, undefined)), { Descriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 0 }, Platforms: [] })
  await assert.rejects(passing(world, engine.images.distribution(`${name}2`, undefined)), /the name of the registry of .* cannot be resolved, and the image here has no digest of it/)
  assert.equal(clock.monotonicMs() - before, 2000)
})

test('registries are reached through the proxy, which resolves their names, and this host is reached without', async () => {
  const registry = await MemoryRegistry.listen()
  owned.push(registry)
  const [, port = ''] = registry.domain.split(':')
  const proxy = await ForwardProxy.listen(`registry.test:${port}`, Number(port))
  owned.push(proxy)
  const digest = registry.addImage('team/app', '1', [layerOf('far')])
  const config = { insecure: [`registry.test:${port}`], proxies: { http: proxy.url } }
  const { engine } = await open(config, undefined, new NameLookup(() => Promise.reject(new Error('nobody but the proxy knows this name'))))
  await collect(engine.images.pull({ reference: `registry.test:${port}/team/app:1`, allTags: false }))
  assert.deepEqual((await engine.images.inspect(`registry.test:${port}/team/app:1`)).RepoDigests, [`registry.test:${port}/team/app@${digest}`])
  assert.ok(proxy.targets.length > 0)
  const count = proxy.targets.length
  await collect(engine.images.pull({ reference: `${registry.domain}/team/app:1`, allTags: false }))
  assert.equal(proxy.targets.length, count)
  const direct = await open({ ...config, proxies: { http: proxy.url, none: 'registry.test' } }, undefined, new NameLookup(() => Promise.resolve([{ address: '127.0.0.1', family: 4 }])))
  await collect(direct.engine.images.pull({ reference: `registry.test:${port}/team/app:1`, allTags: false }))
  assert.equal(proxy.targets.length, count)
})
