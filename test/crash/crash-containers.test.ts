/** The daemon killed at every single effect of what it does with containers, and started again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CreateContainerRequest } from '../../agent/engine/engine.ts'
import { crashAtEveryStep, type CrashWorld } from '../support/crash-world.ts'

const TIMEOUT = { timeout: 120_000 }

function request(hostConfig: CreateContainerRequest['hostConfig'] = {}, more: Partial<CreateContainerRequest['config']> = {}): CreateContainerRequest {
  return { name: 'c0', config: { Image: 'img', ...more }, hostConfig: { NetworkMode: 'none', ...hostConfig } }
}
async function created(world: CrashWorld, hostConfig: CreateContainerRequest['hostConfig'] = {}, more: Partial<CreateContainerRequest['config']> = {}): Promise<void> {
  await world.import('img')
  await world.engine.containers.create(request(hostConfig, more))
}
async function running(world: CrashWorld, hostConfig: CreateContainerRequest['hostConfig'] = {}, more: Partial<CreateContainerRequest['config']> = {}): Promise<void> {
  await created(world, hostConfig, more)
  await world.engine.containers.start('c0')
}
async function state(world: CrashWorld): Promise<string> {
  const all = await world.engine.containers.list({ all: true })
  if (all.length === 0) return 'absent'
  const { State: now } = await world.engine.containers.inspect('c0')
  return now?.Status === 'exited' ? `exited ${now.ExitCode}` : String(now?.Status)
}
async function volumes(world: CrashWorld): Promise<number> { return (await world.engine.volumes.list()).Volumes.length }
/** For file operations on a machine that has more to do. */
const PATIENCE_MS = 10_000
/** Lets file operations finish; time stands still meanwhile. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (performance.now() < endMs) {
    if (await condition()) return
    await new Promise<void>(resolve => { setImmediate(resolve) })
  }
  assert.fail('it did not come to that')
}

test('create: whole or absent, with its anonymous volumes', TIMEOUT, async () => {
  const effects = await crashAtEveryStep('create', {
    before: world => world.import('img'),
    work: world => world.engine.containers.create(request({}, { Volumes: { '/a': {}, '/b': {} } })),
    after: async (world, isDone) => {
      const now = await state(world)
      if (isDone) assert.equal(now, 'created')
      assert.equal(await volumes(world), now === 'absent' ? 0 : 2)
      if (now === 'created') await world.attempt(() => world.engine.containers.start('c0'))
    },
  })
  assert.ok(effects > 8, `${effects} effects`)
})

test('start: running, or startable as if it had never begun', TIMEOUT, async () => {
  await crashAtEveryStep('start', {
    before: world => created(world, { NetworkMode: 'bridge', PortBindings: { '80/tcp': [{ HostPort: '8080' }] } }, { ExposedPorts: { '80/tcp': {} } }),
    work: world => world.engine.containers.start('c0'),
    after: async (world, isDone) => {
      const now = await state(world)
      assert.ok(now === 'running' || (!isDone && now === 'created'), now)
      if (now === 'created') assert.equal(await world.attempt(() => world.engine.containers.start('c0')), 'done')
    },
  })
})

test('stop: ended with its own code, or still running', TIMEOUT, async () => {
  await crashAtEveryStep('stop', {
    before: world => running(world, { NetworkMode: 'bridge', RestartPolicy: { Name: 'unless-stopped' } }),
    work: world => world.engine.containers.stop('c0'),
    after: async (world, isDone) => {
      const now = await state(world)
      assert.ok(now === 'exited 143' || (!isDone && now === 'running'), now)
    },
  })
})

test('an exit: its code is not lost, whatever of the clearing up was done', TIMEOUT, async () => {
  await crashAtEveryStep('exit', {
    before: world => running(world, { NetworkMode: 'bridge' }),
    work: async world => {
      const { result } = await world.engine.containers.wait('c0', 'not-running')
      const [monitor] = world.monitors
      if (monitor !== undefined) world.exit(monitor, 42)
      await result
    },
    after: async world => { assert.equal(await state(world), 'exited 42') },
  })
})

test('an exit under --rm: the container goes with its anonymous volumes', TIMEOUT, async () => {
  await crashAtEveryStep('exit under --rm', {
    before: world => running(world, { AutoRemove: true }, { Volumes: { '/a': {} } }),
    work: async world => {
      const { result } = await world.engine.containers.wait('c0', 'removed')
      const [monitor] = world.monitors
      if (monitor !== undefined) world.exit(monitor, 3)
      await result
      await until(async () => await volumes(world) === 0)
    },
    after: async world => { assert.deepEqual([await state(world), await volumes(world)], ['absent', 0]) },
  })
})

test('an exit under on-failure: the container comes back, and no more often than was said', TIMEOUT, async () => {
  await crashAtEveryStep('restart', {
    before: world => running(world, { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } }),
    work: async world => {
      const [monitor] = world.monitors
      if (monitor !== undefined) world.exit(monitor, 1)
      await until(async () => await state(world) === 'restarting')
      await world.clock.advance(1000)
      await until(async () => await state(world) === 'running')
    },
    after: async world => {
      await world.clock.advance(1000)
      await until(async () => await state(world) === 'running').catch(async () => assert.fail(await state(world)))
      assert.equal((await world.engine.containers.inspect('c0')).RestartCount, 1)
    },
  })
})

test('remove: there or gone, and with -v its anonymous volumes as well', TIMEOUT, async () => {
  await crashAtEveryStep('rm -f -v', {
    before: world => running(world, { NetworkMode: 'bridge' }, { Volumes: { '/a': {} } }),
    work: world => world.engine.containers.remove('c0', { force: true, volumes: true }),
    after: async (world, isDone) => {
      const now = await state(world)
      assert.ok(now === 'absent' || (!isDone && (now === 'running' || now === 'exited 137')), now)
      assert.equal(await volumes(world), now === 'absent' ? 0 : 1)
    },
  })
})

test('remove without -v keeps the anonymous volume', TIMEOUT, async () => {
  await crashAtEveryStep('rm', {
    before: world => created(world, {}, { Volumes: { '/a': {} } }),
    work: world => world.engine.containers.remove('c0'),
    after: async (world, isDone) => {
      if (isDone) assert.equal(await state(world), 'absent')
      assert.equal(await volumes(world), 1)
    },
  })
})

test('rename: one name or the other, everywhere', TIMEOUT, async () => {
  await crashAtEveryStep('rename', {
    before: world => running(world, { NetworkMode: 'bridge' }),
    work: world => world.engine.containers.rename('c0', 'renamed'),
    after: async (world, isDone) => {
      const { Name } = await world.engine.containers.inspect((await world.engine.containers.list({}))[0]?.Id ?? '')
      assert.ok(Name === '/renamed' || (!isDone && Name === '/c0'), Name)
      const network = await world.engine.networks.inspect('bridge')
      assert.deepEqual(Object.values(network.Containers ?? {}).map(container => `/${container.Name}`), [Name], 'the network knows it by another name')
    },
  })
})

test('pause and unpause: what is said is what is', TIMEOUT, async () => {
  const frozen = (world: CrashWorld): boolean => [...world.machine.fake.cgroups.files].some(([path, text]) => path.endsWith('cgroup.freeze') && text === '1')
  const after = async (world: CrashWorld): Promise<void> => {
    const now = await state(world)
    assert.equal(now, frozen(world) ? 'paused' : 'running')
  }
  await crashAtEveryStep('pause', { before: running, work: world => world.engine.containers.pause('c0'), after })
  await crashAtEveryStep('unpause', { before: async world => { await running(world); await world.engine.containers.pause('c0') }, work: world => world.engine.containers.unpause('c0'), after })
})

test('update: the limits that are shown are those that hold', TIMEOUT, async () => {
  await crashAtEveryStep('update', {
    before: world => running(world, { Memory: 2 ** 28, MemorySwap: 2 ** 29 }),
    work: world => world.engine.containers.update('c0', { Memory: 2 ** 27, PidsLimit: 77 }),
    after: async (world, isDone) => {
      const { HostConfig } = await world.engine.containers.inspect('c0')
      if (isDone) assert.equal(HostConfig?.Memory, 2 ** 27)
      const limit = [...world.machine.fake.cgroups.files].find(([path]) => path.endsWith('memory.max'))?.[1]
      if (limit !== undefined) assert.equal(Number(limit), HostConfig?.Memory)
    },
  })
})

test('killed while it starts: what runs goes on, what ended meanwhile is settled, what is wanted comes up', TIMEOUT, async () => {
  await crashAtEveryStep('restore', {
    before: async world => {
      await running(world, { NetworkMode: 'bridge' })
      for (const [name, policy] of [['ended', 'no'], ['wanted', 'always']] as const) {
        await world.engine.containers.create({ ...request({ NetworkMode: 'bridge', RestartPolicy: { Name: policy } }), name })
        await world.engine.containers.start(name)
      }
      const [, ended, wanted] = world.monitors
      await world.kill()
      for (const monitor of [ended, wanted]) if (monitor !== undefined) world.exit(monitor, 7)
    },
    after: async world => {
      const status = async (name: string): Promise<string> => (await world.engine.containers.inspect(name)).State?.Status ?? ''
      assert.equal(await state(world), 'running')
      assert.equal(world.machine.fake.processes.monitors[0]?.isEnded, false, 'the running one was touched')
      assert.equal((await world.engine.containers.inspect('ended')).State?.ExitCode, 7)
      await world.clock.advance(1000)
      await until(async () => await status('wanted') === 'running')
    },
  })
})
