import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, test } from 'node:test'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { FakeKernel, type FakeKernelOptions } from '../kernel/fake-kernel.ts'
import type { FakeMonitor } from '../kernel/fake-monitor.ts'
import type { CreateContainerRequest } from './engine.ts'
import { createLocalEngine, type LocalEngine } from './local-engine.ts'

const roots: string[] = []
const engines: LocalEngine[] = []
/** Engines first: they go on writing what they saw until they are disposed. */
afterEach(async () => {
  await Promise.all(engines.splice(0).map(engine => engine[Symbol.asyncDispose]()))
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

interface World { readonly engine: LocalEngine; readonly kernel: FakeKernel; readonly clock: FakeClock; readonly root: string; reopen(): Promise<LocalEngine> }

async function open(options: FakeKernelOptions = {}): Promise<World> {
  const root = mkdtempSync('/tmp/shoal-')
  roots.push(root)
  const kernel = new FakeKernel(options)
  const clock = new FakeClock()
  let seed = 1
  const make = async (): Promise<LocalEngine> => {
    const engine = await createLocalEngine({
      dataRoot: join(root, 'd'), execRoot: join(root, 'r'), cgroupParent: '/t', monitorPath: import.meta.filename, kernel, clock, random: new SeededRandom(seed++), logger: new MemoryLogger(),
    })
    engines.push(engine)
    return engine
  }
  const engine = await make()
  await engine.images.import(Readable.from([Buffer.from('tar')]), { repository: 'img', changes: ['CMD ["serve"]'] })
  const reopen = async (): Promise<LocalEngine> => {
    const next = await make()
    await next.restore()
    return next
  }
  return { engine, kernel, clock, root, reopen }
}

function request(hostConfig: CreateContainerRequest['hostConfig'] = {}, config: Partial<CreateContainerRequest['config']> = {}): CreateContainerRequest {
  return { name: 'c0', config: { Image: 'img', ...config }, hostConfig: { NetworkMode: 'none', ...hostConfig } }
}

async function up(world: World, create = request()): Promise<FakeMonitor> {
  const { Id } = await world.engine.containers.create(create)
  await world.engine.containers.start(Id)
  return world.kernel.processes.monitors.at(-1) as FakeMonitor
}

/** For file operations on a machine that has more to do. */
const PATIENCE_MS = 10_000
/** Lets file operations finish; time stands still meanwhile. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (performance.now() < endMs) {
    if (await condition()) return
    await new Promise<void>(resolve => { setImmediate(resolve) })
  }
  assert.fail('it did not come to that')
}

async function status(engine: LocalEngine): Promise<string | null | undefined> { return (await engine.containers.inspect('c0')).State?.Status }

test('a start that the runtime refuses leaves nothing mounted', async () => {
  const world = await open({ failStart: () => 1 })
  await world.engine.containers.create(request())
  await assert.rejects(world.engine.containers.start('c0'), { code: 'runtime-failed' })
  assert.equal(await status(world.engine), 'created')
  assert.deepEqual([...world.kernel.mounts.table], [])
})

test('a start that the runtime gives up half way leaves no cgroup, though the runtime has no state of it', async () => {
  const made: string[] = []
  const world = await open({
    failStart: () => {
      world.kernel.cgroups.write(`/t/${made[0]}`, 'pids', 'pids.max', '5')
      return 1
    },
  })
  made.push((await world.engine.containers.create(request())).Id)
  await assert.rejects(world.engine.containers.start('c0'), { code: 'runtime-failed' })
  assert.deepEqual([...world.kernel.cgroups.files], [])
})

test('a cgroup that the kernel has not let go of yet is removed a moment later', async () => {
  const world = await open()
  const monitor = await up(world)
  const remove = world.kernel.cgroups.remove.bind(world.kernel.cgroups)
  let busy = 3
  world.kernel.cgroups.remove = async cgroup => --busy < 0 && remove(cgroup)
  monitor.exit(0)
  await until(async () => { world.clock.advance(20); return await status(world.engine) === 'exited' })
  assert.equal(busy, -1)
})

test('a kill and a stop that meet the end of a paused container find nothing to thaw', async () => {
  const world = await open()
  const monitor = await up(world)
  await world.engine.containers.pause('c0')
  const write = world.kernel.cgroups.write.bind(world.kernel.cgroups)
  let leave = (): void => undefined
  const left = new Promise<void>(resolve => { leave = resolve })
  let isBeingRemoved = false
  world.kernel.cgroups.remove = async () => { isBeingRemoved = true; await left; return true }
  world.kernel.cgroups.write = (...args) => { assert.ok(!isBeingRemoved, 'the cgroup is gone'); write(...args) }
  monitor.exit(0)
  await until(() => isBeingRemoved)
  const [kill, stop] = [world.engine.containers.kill('c0', 'SIGKILL'), world.engine.containers.stop('c0', {})]
  kill.catch(() => undefined)
  leave()
  await assert.rejects(kill, { code: 'not-running' })
  await stop
})

test('an exit is recorded, and takes its mount with it', async () => {
  const world = await open()
  const monitor = await up(world)
  assert.equal(world.kernel.mounts.table.size, 1)
  const { result } = await world.engine.containers.wait('c0', 'not-running')
  monitor.exit(4, { oomKills: 1, atMs: world.clock.nowMs() })
  assert.equal((await result).StatusCode, 4)
  assert.equal((await world.engine.containers.inspect('c0')).State?.OOMKilled, true)
  assert.deepEqual([...world.kernel.mounts.table], [])
})

test('stop asks, waits its time, then kills', async () => {
  const world = await open()
  const monitor = await up(world)
  const stopping = world.engine.containers.stop('c0', { timeoutSeconds: 3 })
  await until(() => monitor.signals.length > 0)
  await world.clock.advance(2999)
  assert.deepEqual(monitor.signals, [15])
  await world.clock.advance(1)
  await stopping
  assert.deepEqual(monitor.signals, [15, 9])
})

test('restarts wait longer each time, until the user stops them', async () => {
  const world = await open()
  await up(world, request({ RestartPolicy: { Name: 'always' } }))
  const { monitors } = world.kernel.processes
  for (const [at, delayMs] of [100, 200, 400].entries()) {
    monitors.at(-1)?.exit(1)
    await until(async () => await status(world.engine) === 'restarting')
    await world.clock.advance(delayMs - 1)
    assert.equal(monitors.length, at + 1)
    await world.clock.advance(1)
    await until(async () => await status(world.engine) === 'running')
  }
  monitors.at(-1)?.exit(1)
  await until(async () => await status(world.engine) === 'restarting')
  await world.engine.containers.stop('c0')
  await world.clock.advance(100_000)
  assert.equal(monitors.length, 4)
  assert.equal(await status(world.engine), 'exited')
})

test('an engine that comes back takes over the process, and sees its exit', async () => {
  const world = await open()
  const monitor = await up(world)
  await world.engine[Symbol.asyncDispose]()
  const engine = await world.reopen()
  assert.equal((await engine.containers.inspect('c0')).State?.Pid, monitor.pid)
  const { result } = await engine.containers.wait('c0', 'not-running')
  monitor.exit(3)
  assert.equal((await result).StatusCode, 3)
})

test('a monitor that went away while no engine watched is an exit with code 255', async () => {
  const world = await open()
  const monitor = await up(world)
  await world.engine[Symbol.asyncDispose]()
  monitor.vanish()
  const engine = await world.reopen()
  assert.deepEqual([await status(engine), (await engine.containers.inspect('c0')).State?.ExitCode], ['exited', 255])
  assert.deepEqual([...world.kernel.mounts.table], [])
})

test('after a reboot what a policy wants runs again, and it counts as no restart', async () => {
  const world = await open()
  const policies = { 'no': 'exited', 'on-failure': 'running', 'unless-stopped': 'running', 'always': 'running' }
  for (const name of Object.keys(policies)) {
    const { Id } = await world.engine.containers.create({ ...request({ RestartPolicy: { Name: name as 'no' } }), name })
    await world.engine.containers.start(Id)
  }
  await world.engine[Symbol.asyncDispose]()
  for (const monitor of world.kernel.processes.monitors) monitor.vanish()
  world.kernel.mounts.table.clear()
  world.kernel.cgroups.files.clear()
  rmSync(join(world.root, 'r'), { recursive: true })
  const engine = await world.reopen()
  for (const [name, expected] of Object.entries(policies)) {
    const { State: state, RestartCount: count } = await engine.containers.inspect(name)
    assert.deepEqual([state?.Status, state?.ExitCode, state?.Error, count], [expected, expected === 'exited' ? 255 : 0, '', 0], name)
  }
})

test('unless-stopped comes back with the engine unless it was stopped', async () => {
  const world = await open()
  const monitor = await up(world, request({ RestartPolicy: { Name: 'unless-stopped' } }))
  await world.engine[Symbol.asyncDispose]()
  monitor.vanish()
  const second = await world.reopen()
  await until(async () => await status(second) === 'running')
  await second.containers.stop('c0', { timeoutSeconds: 0 })
  await second[Symbol.asyncDispose]()
  assert.equal(await status(await world.reopen()), 'exited')
})

test('a create that fails leaves neither name nor volume nor folder', async () => {
  const world = await open()
  await assert.rejects(world.engine.containers.create({ ...request({ VolumesFrom: ['nobody'] }, { Volumes: { '/v': {} } }) }), { code: 'no-such-container' })
  assert.deepEqual((await world.engine.volumes.list()).Volumes, [])
  assert.deepEqual(readdirSync(join(world.root, 'd/containers')), [])
  await world.engine.containers.create(request())
})

test('what is typed before the start arrives after it', async () => {
  const world = await open()
  const { Id } = await world.engine.containers.create(request({}, { OpenStdin: true, StdinOnce: true }))
  const { stream } = await world.engine.containers.attach(Id, { stdin: true, stdout: true, stderr: true, logs: false, stream: true })
  stream.end('typed')
  const { result } = await world.engine.containers.wait(Id, 'next-exit')
  await world.engine.containers.start(Id)
  const monitor = world.kernel.processes.monitors.at(-1)
  await until(() => monitor?.isStdinClosed === true)
  assert.equal(Buffer.concat(monitor?.stdin ?? []).toString(), 'typed')
  monitor?.print('out\n')
  monitor?.exit(0)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  assert.equal(Buffer.concat(chunks).subarray(8).toString(), 'out\n')
  await result
})

test('a damaged record costs what it describes and nothing else, and what it describes is left', async () => {
  const world = await open()
  await up(world)
  await world.engine.containers.create({ ...request(), name: 'other' })
  await world.engine.volumes.create({ Name: 'vol' })
  const { Id } = await world.engine.containers.inspect('c0')
  const container = join(world.root, 'd/containers', Id ?? '')
  for (const [path, text] of [[join(container, 'container.json'), '{"id":'], [join(world.root, 'd/images/names.json'), '\0\0'], [join(world.root, 'd/volumes/vol', 'volume.json'), '[]']] as const) {
    if (existsSync(path)) writeFileSync(path, text)
    else assert.fail(`there is no ${path} (${readdirSync(join(path, '..')).join(' ')})`)
  }
  const engine = await world.reopen()
  await assert.rejects(engine.containers.inspect('c0'), { code: 'no-such-container' })
  assert.equal((await engine.containers.inspect('other')).Name, '/other')
  assert.equal((await engine.images.list({})).length, 1)
  assert(existsSync(join(container, 'container.json')))
  assert(existsSync(join(world.root, 'd/snapshots', Id ?? '')))
})

test('ports that are none are refused before a container exists', async () => {
  const { engine } = await open()
  for (const [port, bindings] of [['x/y', []], ['70000/tcp', []], ['80/tcp', [{ HostPort: '99999' }]], ['80/tcp', [{ HostPort: '-1' }]]] as const) {
    await assert.rejects(engine.containers.create(request({ PortBindings: { [port]: bindings } })), { code: 'invalid-config', message: /invalid port specification/ }, port)
  }
  await engine.containers.create(request({ PortBindings: { '80/tcp': [{ HostPort: '8080-8090' }, {}], '53/udp': [] } }))
})

test('on a disk that takes no more, an exit is still told and the container can be removed', async () => {
  const world = await open()
  const monitor = await up(world)
  const { Id } = await world.engine.containers.inspect('c0')
  const { result } = await world.engine.containers.wait('c0', 'not-running')
  // A folder where the new record would be written: the write fails as on a full disk, for root too.
  mkdirSync(join(world.root, 'd/containers', Id ?? '', 'container.json.new/in'), { recursive: true })
  monitor.exit(4)
  assert.equal((await result).StatusCode, 4)
  assert.equal(await status(world.engine), 'exited')
  await assert.rejects(world.engine.containers.start('c0'))
  await world.engine.containers.remove('c0')
  assert.deepEqual(await world.engine.containers.list({ all: true }), [])
})

test('on a disk that takes no more, a pause is refused and nothing is left frozen; what is paused can be unpaused', async () => {
  const world = await open()
  await up(world)
  const { Id } = await world.engine.containers.inspect('c0')
  const blockade = join(world.root, 'd/containers', Id ?? '', 'container.json.new')
  const isFrozen = (): boolean => [...world.kernel.cgroups.files].some(([path, text]) => path.endsWith('cgroup.freeze') && text === '1')
  mkdirSync(join(blockade, 'in'), { recursive: true })
  await assert.rejects(world.engine.containers.pause('c0'))
  assert.deepEqual([await status(world.engine), isFrozen()], ['running', false])
  rmSync(blockade, { recursive: true, force: true })
  await world.engine.containers.pause('c0')
  assert.deepEqual([await status(world.engine), isFrozen()], ['paused', true])
  mkdirSync(join(blockade, 'in'), { recursive: true })
  await world.engine.containers.unpause('c0')
  assert.deepEqual([await status(world.engine), isFrozen()], ['running', false])
})

test('an image that is removed while a container is made of it leaves the container its layers', async () => {
  const world = await open()
  const layers = join(world.root, 'd/layers/blobs')
  const before = readdirSync(layers)
  const [created] = await Promise.all([world.engine.containers.create(request()), world.engine.images.remove('img', { force: true, prune: true })])
  assert.deepEqual(readdirSync(layers), before)
  assert.equal(before.length, 1)
  await world.engine.containers.remove(created.Id, {})
  await until(() => readdirSync(layers).length === 0)
})
