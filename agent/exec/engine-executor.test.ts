import assert from 'node:assert/strict'
import { test } from 'node:test'
import { make, type Draft } from '../../src/api/codec/codec.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { FakeEngine } from '../../test/support/fake-engine.ts'
import type { PullImage } from './container-controller.ts'
import { EngineExecutor } from './engine-executor.ts'
import { nodeDescription } from './node-description.ts'
import type { TaskFile } from './task-files.ts'

const NAME = 'web.1.t1'
const idle = (): AbortSignal => new AbortController().signal

function world(options: { readonly pullImage?: PullImage } = {}) {
  const clock = new FakeClock()
  const fake = new FakeEngine()
  fake.imageNames.add('nginx')
  const written = new Map<string, readonly TaskFile[]>()
  const executor = new EngineExecutor({
    engine: fake.engine, clock, logger: new MemoryLogger(), ...options,
    describe: async () => nodeDescription({
      hostname: 'h', architecture: 'x86_64', cpus: 2, memoryBytes: 1e9, engineVersion: '28.0', engineLabels: {}, genericResources: [], dataAddress: '10.0.0.1',
    }),
    files: {
      write: async (taskId, files) => { written.set(taskId, files); return files.map((_, i) => `/run/shoal/${taskId}/${i}`) },
      remove: async taskId => { written.delete(taskId) },
    },
  })
  return { clock, fake, executor, written }
}

function task(container: NonNullable<NonNullable<Draft<Task>['spec']>['container']> = {}, more: Draft<Task> = {}): Task {
  return make('Task', {
    id: 't1', nodeId: 'n1', serviceId: 's1', slot: 1, annotations: { name: NAME }, serviceAnnotations: { name: 'web', labels: { tier: 'front' } }, desiredState: 'running',
    ...more, spec: { ...more.spec, container: { image: 'nginx', ...container } },
  })
}

test('a task runs through its whole life as a container of its name', async () => {
  const { fake, executor, clock } = world()
  const controller = executor.createController(task({ stopGracePeriodNs: 3_000_000_000 }))
  assert.deepEqual(await controller.observe(), { hostPorts: [] })
  await controller.prepare(idle())
  await controller.start(idle())
  assert.deepEqual((await controller.observe()).container, { containerId: `id-${NAME}`, pid: 42, exitCode: 0 })
  await controller.shutdown(idle())
  await controller.shutdown(idle())
  await controller.remove(idle())
  await controller.remove(idle())
  assert.deepEqual(fake.calls, [`start id-${NAME}`, `stop id-${NAME} 3`, `stop id-${NAME} 3`, `remove id-${NAME} {"force":true,"volumes":true}`])
  assert.equal(clock.pendingCount, 0)
})

test('an exit with 0 ends the wait, others fail it with Docker\'s words', async () => {
  for (const [exitCode, error, text] of [[0, '', undefined], [1, '', 'task: non-zero exit (1)'], [127, 'no sh', 'task: non-zero exit (127): no sh']] as const) {
    const { fake, executor } = world()
    const controller = executor.createController(task())
    await controller.prepare(idle())
    await controller.start(idle())
    const waiting = controller.wait(idle())
    await new Promise<void>(resolve => { setImmediate(resolve) })
    fake.container(NAME).error = error
    fake.exit(NAME, exitCode)
    if (text === undefined) await waiting
    else await assert.rejects(waiting, { message: text })
  }
})

test('a container that was restarted by hand goes on being waited for', async () => {
  const { fake, executor } = world()
  const controller = executor.createController(task())
  await controller.prepare(idle())
  await controller.start(idle())
  let isOver = false
  const waiting = controller.wait(idle()).finally(() => { isOver = true })
  await new Promise<void>(resolve => { setImmediate(resolve) })
  fake.exit(NAME, 137)
  fake.container(NAME).status = 'running'
  await new Promise<void>(resolve => { setImmediate(resolve) })
  assert.equal(isOver, false)
  fake.exit(NAME, 2)
  await assert.rejects(waiting, { message: 'task: non-zero exit (2)' })
})

test('a wait that is aborted leaves the container alone and rejects with the reason', async () => {
  const { fake, executor } = world()
  const controller = executor.createController(task({ healthcheck: { test: ['CMD', 'true'] } }))
  await controller.prepare(idle())
  const starting = new AbortController()
  const start = controller.start(starting.signal)
  await new Promise<void>(resolve => { setImmediate(resolve) })
  starting.abort(new Error('stop it'))
  await assert.rejects(start, /stop it/)
  assert.equal(fake.container(NAME).status, 'running')
})

test('with a health check the start waits for healthy; later unhealthy stops and fails the task', async () => {
  const { fake, executor } = world()
  const controller = executor.createController(task({ healthcheck: { test: ['CMD', 'true'] } }))
  await controller.prepare(idle())
  let isStarted = false
  const start = controller.start(idle()).then(() => { isStarted = true })
  await new Promise<void>(resolve => { setImmediate(resolve) })
  assert.equal(isStarted, false)
  fake.setHealth(NAME, 'healthy')
  await start
  const waiting = controller.wait(idle())
  await new Promise<void>(resolve => { setImmediate(resolve) })
  fake.setHealth(NAME, 'unhealthy')
  await assert.rejects(waiting, { message: 'task: non-zero exit (137): dockerexec: unhealthy container' })
  assert.equal(fake.container(NAME).status, 'exited')
})

test('a container that is there already is adopted: not created again, not started again', async () => {
  const { fake, executor } = world()
  await executor.createController(task()).prepare(idle())
  const again = executor.createController(task())
  await again.prepare(idle())
  await again.start(idle())
  const third = executor.createController(task())
  await third.prepare(idle())
  await third.start(idle())
  assert.equal(fake.byName.size, 1)
  assert.deepEqual(fake.calls, [`start id-${NAME}`])
})

test('a foreign container of the same name is no container of ours', async () => {
  const { fake, executor } = world()
  await fake.engine.containers.create({ name: NAME, config: { Image: 'nginx' } })
  const controller = executor.createController(task())
  await assert.rejects(controller.prepare(idle()), { code: 'name-in-use' })
  await controller.remove(idle())
  assert.equal(fake.byName.size, 1)
})

test('a container removed by hand fails the task', async () => {
  const { fake, executor } = world()
  const controller = executor.createController(task())
  await controller.prepare(idle())
  fake.byName.clear()
  await assert.rejects(controller.start(idle()), { message: `No such container: ${NAME}` })
})

test('an image that is there is not pulled; one that is not, is, and a failing pull tells what is missing', async () => {
  const pulled: string[] = []
  const { fake, executor } = world({ pullImage: async ({ image }) => { pulled.push(image); if (image === 'redis') fake.imageNames.add(image); else throw new Error('offline') } })
  await executor.createController(task()).prepare(idle())
  assert.deepEqual(pulled, [])
  await executor.createController(task({ image: 'redis' }, { id: 't2', annotations: { name: 'r.1.t2' } })).prepare(idle())
  assert.deepEqual(pulled, ['redis'])
  await assert.rejects(executor.createController(task({ image: 'gone' }, { id: 't3', annotations: { name: 'g.1.t3' } })).prepare(idle()), { message: 'No such image: gone' })
  const offline = world()
  await assert.rejects(offline.executor.createController(task({ image: 'gone' })).prepare(idle()), { message: 'No such image: gone' })
})

test('secrets and configs become read-only files; before they arrive the task waits; removal takes them away', async () => {
  const { fake, executor, written } = world()
  const needy = task({
    secrets: [{ secretId: 'x1', secretName: 'pw', file: { name: 'password', uid: '33', gid: '34', mode: 0o400 } }],
    configs: [{ configId: 'c1', configName: 'conf', file: { name: '/etc/app.conf', uid: '', gid: '', mode: 0o444 } }, { configId: 'c2', configName: 'cred', runtime: true }],
  })
  const controller = executor.createController(needy)
  await assert.rejects(controller.prepare(idle()), { kind: 'unavailable', code: 'dependency-missing' })
  executor.provide({ kind: 'secret', value: make('Secret', { id: 'x1', spec: { data: new Uint8Array([1, 2]) } }) })
  executor.provide({ kind: 'config', value: make('Config', { id: 'c1', spec: { data: new Uint8Array([3]) } }) })
  await controller.prepare(idle())
  assert.deepEqual(written.get('t1'), [
    { target: '/run/secrets/password', data: new Uint8Array([1, 2]), uid: 33, gid: 34, mode: 0o400 },
    { target: '/etc/app.conf', data: new Uint8Array([3]), uid: 0, gid: 0, mode: 0o444 },
  ])
  assert.deepEqual(fake.container(NAME).request.hostConfig?.Mounts, [
    { Type: 'bind', Source: '/run/shoal/t1/0', Target: '/run/secrets/password', ReadOnly: true },
    { Type: 'bind', Source: '/run/shoal/t1/1', Target: '/etc/app.conf', ReadOnly: true },
  ])
  await controller.remove(idle())
  assert.equal(written.size, 0)
})

test('a task waits for its overlay, which is tried until it works and taken down when nothing needs it', async () => {
  const { clock, fake, executor } = world()
  const controller = executor.createController(task({}, { networks: [{ networkId: 'net1', addresses: ['10.0.1.7/24'], aliases: ['web'] }] }))
  await assert.rejects(controller.prepare(idle()), { code: 'dependency-missing' })
  fake.failOverlay = true
  executor.provide({ kind: 'network', value: make('NetworkTable', { networkId: 'net1', revision: 5 }) })
  await clock.advance(0)
  await assert.rejects(controller.prepare(idle()), /no vxlan/)
  fake.failOverlay = false
  await clock.advance(1_000)
  await controller.prepare(idle())
  assert.deepEqual([...executor.networkRevisions()], [['net1', 5]])
  const { request } = fake.container(NAME)
  assert.equal(request.hostConfig?.NetworkMode, 'net1')
  assert.deepEqual(request.networkingConfig?.EndpointsConfig?.['net1']?.IPAMConfig, { IPv4Address: '10.0.1.7' })
  executor.withdraw({ kind: 'network', id: 'net1' })
  await clock.advance(1_000)
  assert.equal(fake.revisions.size, 1, 'still in use')
  await controller.remove(idle())
  await clock.advance(1_000)
  assert.equal(fake.revisions.size, 0)
  await executor[Symbol.asyncDispose]()
})

test('host ports are reported with the port that was really bound', async () => {
  const { fake, executor } = world()
  fake.ports = { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '32768' }] }
  const ports = [{ targetPort: 80, publishedPort: 0, publishMode: 'host' }, { targetPort: 81, publishedPort: 8081 }] as const
  const controller = executor.createController(task({}, { endpoint: { ports } }))
  await controller.prepare(idle())
  await controller.start(idle())
  assert.deepEqual((await controller.observe()).hostPorts.map(port => port.publishedPort), [32_768])
  assert.deepEqual(fake.container(NAME).request.hostConfig?.PortBindings, { '80/tcp': [{ HostPort: '' }] })
})

test('logs come as lines with stream and time stamp, framed or raw', async () => {
  const { fake, executor } = world()
  const controller = executor.createController(task())
  await controller.prepare(idle())
  const frame = (stream: number, text: string): Uint8Array => Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)])
  const whole = Buffer.concat([frame(1, '2026-01-01T00:00:00.1Z out\n'), frame(2, '2026-01-01T00:00:00.2Z err\n')])
  fake.logText = [whole.subarray(0, 5), whole.subarray(5, 40), whole.subarray(40)]
  const read = async (): Promise<string[]> => {
    const texts: string[] = []
    for await (const entry of controller.logs({ stdout: true, stderr: true, follow: false, sinceMs: 0, tail: 5 }, idle())) texts.push(`${entry.stream} ${entry.timestamp} ${Buffer.from(entry.data)}`)
    return texts
  }
  assert.deepEqual(await read(), ['stdout 2026-01-01T00:00:00.1Z out\n', 'stderr 2026-01-01T00:00:00.2Z err\n'])
  assert.match(fake.calls.at(-1) ?? '', /"timestamps":true,"tail":5/)
})
