import { Agent } from '../../../agent/agent.ts'
import { ScriptedExecutor, ScriptedWorld, type TaskScript } from '../../../agent/exec/scripted-executor.ts'
import { make } from '../../../src/api/codec/codec.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import { HostTime, ProcessClock } from './sim-clock.ts'
import { SimProcess, type SimWorld } from './sim-process.ts'

export interface SimAgentOptions {
  readonly world: SimWorld
  readonly nodeId: string
  readonly managers: readonly string[]
}

const PREPARE_MS_MAX = 600
const START_MS_MAX = 300
const STOP_MS_MAX = 1500
const RUN_MS_MAX = 30_000

/** A worker host: the real agent, with tasks that are scripts. They outlive the agent, as containers do. */
export class SimAgent {
  readonly nodeId: string
  readonly logger = new MemoryLogger()
  readonly time = new HostTime()
  /** Chance that a new task will fail. */
  failureRate = 0
  readonly #options: SimAgentOptions
  readonly #containers = new ScriptedWorld()
  readonly #disk: CrashDisk
  #process: SimProcess | undefined
  #agent: Agent | undefined

  constructor(options: SimAgentOptions) {
    this.nodeId = options.nodeId
    this.#options = options
    this.#disk = new CrashDisk(new ProcessClock(options.world.clock, this.time), options.world.random)
  }

  get isUp(): boolean { return this.#process !== undefined }
  /** Ids of the tasks whose containers run here now. */
  get running(): readonly string[] { return this.#containers.running() }
  /** Addresses of the managers that it was told of last. */
  get managers(): readonly string[] { return this.#agent?.state.managers.map(({ addr }) => addr) ?? [] }
  get error(): string { return this.#agent?.state.error ?? 'the agent does not run' }

  start(): void {
    if (this.#process !== undefined) return
    const { world, managers } = this.#options
    const { nodeId, logger } = this
    const process = new SimProcess(world, { host: nodeId, time: this.time, identity: { nodeId, role: 'worker', clusterId: world.clusterId } })
    const { clock, random, dialer } = process
    const description = make('NodeDescription', { hostname: nodeId, platform: { os: 'linux', architecture: 'x86_64' }, resources: { nanoCpus: 8e9, memoryBytes: 8e9 }, dataAddress: '10.77.0.9' })
    const executor = new ScriptedExecutor({ clock, world: this.#containers, description, script: () => this.#script() })
    this.#process = process
    this.#agent = new Agent({ clock, random, logger, nodeId, kv: this.#disk.openKv(), dialer, managers, executor })
    void this.#agent.start()
  }

  /** The agent dies; its containers run on. */
  async crash(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#agent = undefined
    this.#disk.crash()
    await process?.kill()
  }

  /** Nothing runs on this host any more. To be followed by crash(). */
  cutPower(): void { this.#containers.crash() }

  #script(): TaskScript {
    const { random } = this.#options.world
    const script = { prepareMs: random.next() * PREPARE_MS_MAX, startMs: random.next() * START_MS_MAX, stopMs: random.next() * STOP_MS_MAX }
    return random.next() < this.failureRate ? { ...script, runMs: random.next() * RUN_MS_MAX, exitCode: 1 } : script
  }
}
