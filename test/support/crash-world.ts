import assert from 'node:assert/strict'
import { AsyncResource } from 'node:async_hooks'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Readable } from 'node:stream'
import { createLocalEngine, type LocalEngine } from '../../agent/engine/local-engine.ts'
import { createLocalNetworks } from '../../agent/engine/network/create-local-networks.ts'
import type { FakeMonitor } from '../../agent/kernel/fake-monitor.ts'
import type { Clock } from '../../src/base/clock.ts'
import { FakeClock } from '../../src/platform/clock/fake-clock.ts'
import { SeededRandom } from '../../src/platform/clock/seeded-random.ts'
import { MemoryLogger } from '../../src/platform/log/memory-logger.ts'
import { CrashMachine } from './crash-kernel.ts'
import { CrashPoint, Life, type Tear } from './crash-point.ts'

/** A memory file system, where there is one: thousands of small syncs. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : '/tmp'
/** A command after which nothing more is to come: no operation has so many effects. */
const EFFECTS_MAX = 400

/** One host whose daemon can be killed at any of its effects and started again. */
export class CrashWorld {
  readonly root = mkdtempSync(join(PARENT, 'shoal-crash-'))
  readonly machine: CrashMachine
  readonly clock = new FakeClock()
  readonly logger = new MemoryLogger()
  engine!: LocalEngine
  readonly #crash: CrashPoint
  #seed = 1
  #life = new Life()

  constructor(crash: CrashPoint) {
    this.#crash = crash
    this.machine = new CrashMachine(crash, { onSignal: (monitor, signal) => { if (signal === 9 || signal === 15) this.exit(monitor, 128 + signal) } })
  }

  get life(): Life { return this.#life }

  /** Starts a daemon, which may die before it is up. */
  async boot(endAt = Infinity, tear: Tear = 'before'): Promise<'done' | 'died'> {
    this.#life = new Life()
    this.#life.endAt(endAt, tear)
    const { root, logger, machine } = this
    const clock = bound(this.clock)
    return await this.attempt(async () => {
      const random = new SeededRandom(this.#seed++)
      this.engine = await createLocalEngine({
        dataRoot: join(root, 'd'), execRoot: join(root, 'r'), cgroupParent: '/t', monitorPath: import.meta.filename, kernel: machine.kernel, clock, random, logger,
        networks: async ({ events, connectable }) => {
          const networks = await createLocalNetworks({ kernel: machine.network, execRoot: join(root, 'r'), dataRoot: join(root, 'd'), clock, random, logger, containers: connectable, onEvent: event => events.publish('network', event.Action ?? '', event.Actor?.ID ?? '', {}), dnsUpstreams: [] })
          return { containers: networks, networks }
        },
      })
      await this.engine.restore()
    })
  }

  /** Work of the daemon: done, or the daemon died on the way. @throws what the work throws */
  async attempt(work: () => Promise<unknown>): Promise<'done' | 'died'> {
    const life = this.#life
    const done = this.#crash.run(life, work).then(() => 'done' as const)
    done.catch(() => undefined)
    try {
      const outcome = await Promise.race([done, life.died.then(() => 'died' as const)])
      return life.isOver ? 'died' : outcome
    } catch (error) {
      if (life.isOver) return 'died'
      throw error
    }
  }

  async kill(): Promise<void> {
    this.#life.end()
    await this.#life.drained()
  }

  async import(name: string, contents = name): Promise<void> { await this.engine.images.import(Readable.from([Buffer.from(contents)]), { repository: name, changes: ['CMD ["serve"]'] }) }

  /** The process of a container ends; its monitor writes that down whether or not a daemon is there. */
  exit(monitor: FakeMonitor, code: number): void {
    this.#crash.outside(() => {
      if (monitor.isEnded) return
      if (existsSync(monitor.directory)) writeFileSync(join(monitor.directory, 'exit'), JSON.stringify({ pid: monitor.pid, code, oom_kill: 0, at: String(BigInt(this.clock.nowMs()) * 1_000_000n) }))
      monitor.exit(code)
    })
  }

  get monitors(): readonly FakeMonitor[] { return this.machine.fake.processes.monitors.filter(monitor => !monitor.isEnded) }

  /** Everything on disk and in the kernel that no object accounts for, by name. */
  async leaks(): Promise<readonly string[]> {
    const { engine, root } = this
    const containers = await Promise.all((await engine.containers.list({ all: true })).map(({ Id = '' }) => engine.containers.inspect(Id)))
    const running = containers.filter(container => container.State?.Running === true && container.State.Status !== 'restarting')
    const ids = containers.map(container => container.Id ?? '')
    const runningIds = running.map(container => container.Id ?? '')
    const images = engine.imageStore.all()
    const layers = [...new Set(images.flatMap(image => image.diffIds))].map(diffId => diffId.slice(7))
    const networks = await engine.networks.list({})
    const volumes = (await engine.volumes.list({})).Volumes.map(volume => volume.Name ?? '')
    const endpoints = running.flatMap(container => Object.keys(container.NetworkSettings?.Networks ?? {}).filter(name => name !== 'none' && name !== 'host'))
    const ports = running.flatMap(container => Object.values(container.NetworkSettings?.Ports ?? {}).flatMap(bindings => bindings ?? []))
    const links = this.machine.fakeNetwork.links.list(undefined)
    const names = (folder: string): readonly string[] => existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []
    const compare = (what: string, found: readonly string[], justified: readonly string[]): readonly string[] => [
      ...found.filter(name => !justified.includes(name)).map(name => `${what} too much: ${name}`), ...justified.filter(name => !found.includes(name)).map(name => `${what} missing: ${name}`),
    ]
    return [
      ...compare('folder of a container', names('d/containers'), ids),
      ...compare('snapshot', names('d/snapshots'), ids),
      ...compare('volume folder', names('d/volumes'), volumes),
      ...compare('image configuration', names('d/images/configs'), images.flatMap(image => [`${image.id.slice(7)}.json`, ...(Object.keys(image.origin).length > 0 ? [`${image.id.slice(7)}.origin`] : [])])),
      ...compare('layer', names('d/layers').filter(name => name !== 'downloads'), ['blobs', 'tmp', ...layers.flatMap(layer => [layer.slice(0, 32), `${layer.slice(0, 32)}.json`])]),
      ...compare('blob', names('d/layers/blobs'), layers),
      ...compare('temporary folder', names('d/layers/tmp'), []),
      ...compare('network record', names('d/networks'), networks.map(network => `${network.Id ?? ''}.json`)),
      ...compare('run-time folder', names('r/c'), runningIds.map(id => id.slice(0, 24))),
      ...compare('sandbox record', names('r/sandboxes'), runningIds.map(id => `${id}.json`)),
      ...compare('network namespace', this.machine.fakeNetwork.netns.list(join(root, 'r/netns')), runningIds),
      ...compare('mount', [...this.machine.fake.mounts.table.keys()], runningIds.map(id => join(root, 'd/snapshots', id, 'merged'))),
      ...compare('monitor', this.monitors.map(monitor => monitor.directory), runningIds.map(id => join(root, 'r/c', id.slice(0, 24)))),
      ...compare('bridge', links.filter(link => link.kind === 'bridge').map(link => link.name), networks.filter(network => network.Driver === 'bridge').map(network => network.Options?.['com.docker.network.bridge.name'] ?? `br-${(network.Id ?? '').slice(0, 12)}`)),
      ...compare('interfaces', [String(links.filter(link => link.kind === 'veth').length)], [String(endpoints.length)]),
      ...compare('published ports', [String(this.machine.fakeNetwork.openSockets.size)], [String(ports.length)]),
      ...filesBelow(root).filter(path => path.endsWith('.new')).map(path => `half-written file: ${relative(root, path)}`),
    ]
  }

  record(id: string): Record<string, unknown> { return JSON.parse(readFileSync(join(this.root, 'd/containers', id, 'container.json'), 'utf8')) as Record<string, unknown> }

  async dispose(): Promise<void> {
    await this.kill()
    for (const monitor of this.monitors) monitor.vanish()
    rmSync(this.root, { recursive: true, force: true })
  }
}

export interface CrashCase {
  /** The world before, made by a daemon that does not die. */
  readonly before?: (world: CrashWorld) => Promise<void>
  /** What the daemon is about when it dies; absent: its own start. */
  readonly work?: (world: CrashWorld) => Promise<unknown>
  /** What must hold for the next daemon; `isDone`: the work was acknowledged. */
  readonly after: (world: CrashWorld, isDone: boolean) => Promise<void>
}

/** Kills the daemon before and amid each effect of the work in turn, starts another and checks, until the work comes to its end. @returns how many effects it has */
export async function crashAtEveryStep(name: string, { before, work, after }: CrashCase): Promise<number> {
  using crash = new CrashPoint()
  for (let last = 1; last < EFFECTS_MAX; last++) {
    let isDone = false
    for (const tear of ['before', 'half'] as const) {
      const world = new CrashWorld(crash)
      await world.boot()
      if (before !== undefined) await world.attempt(() => before(world))
      if (work === undefined) await world.kill()
      else world.life.endAt(last, tear)
      const outcome = work === undefined ? await world.boot(last, tear) : await world.attempt(() => work(world))
      isDone = outcome === 'done'
      const { trace } = world.life
      await world.kill()
      const where = `${name}: killed ${tear === 'before' ? 'before' : 'amid'} effect ${last}${isDone ? ' (after the end)' : ''}: ${trace.at(-1) ?? ''}`
      try {
        await world.boot()
        await after(world, isDone)
        assert.deepEqual(await world.leaks(), [])
      } catch (error) {
        throw new Error(`${where}\n${error instanceof Error ? error.message : String(error)}\nlogged: ${world.logger.lines.filter(({ level }) => level === 'error' || level === 'warn').map(line => JSON.stringify(line)).join('\n')}\neffects: ${trace.slice(-8).join('\n  ')}`, { cause: error })
      } finally {
        await world.dispose()
      }
    }
    if (isDone) return last
  }
  throw new Error(`${name} has no end`)
}

/** Whoever lets time pass, what was to happen then is done by whoever wanted it. */
function bound(clock: FakeClock): Clock {
  return {
    nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    after: (delayMs, callback) => clock.after(delayMs, AsyncResource.bind(callback)),
  }
}

function filesBelow(root: string): readonly string[] {
  return readdirSync(root, { withFileTypes: true, recursive: true }).filter(entry => entry.isFile()).map(entry => join(entry.path, entry.name))
}
