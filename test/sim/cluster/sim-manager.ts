import { Manager } from '../../../manager/manager.ts'
import type { ManagerBootstrap } from '../../../manager/bootstrap-cluster.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import type { ManagerInside } from './instruments.ts'
import { ProcessClock } from './sim-clock.ts'
import { SimProcess, type SimWorld } from './sim-process.ts'

const PORT = 2377
/** What the host's supervisor waits before it starts a manager again that ended by itself. */
const RESTART_MS = 2000

export interface SimManagerOptions {
  readonly world: SimWorld
  readonly nodeId: string
  /** For the first one; the others join. */
  readonly bootstrap?: ManagerBootstrap
  readonly joinAddress?: string
}

/** A manager host: the real manager on a simulated disk and network. */
export class SimManager {
  readonly nodeId: string
  readonly disk: CrashDisk
  readonly logger = new MemoryLogger()
  /** Set by the instruments while it runs. */
  inside: ManagerInside | undefined
  readonly #options: SimManagerOptions
  #process: SimProcess | undefined
  #manager: Manager | undefined

  constructor(options: SimManagerOptions) {
    this.nodeId = options.nodeId
    this.#options = options
    this.disk = new CrashDisk(new ProcessClock(options.world.clock), options.world.random)
  }

  get address(): string { return `${this.nodeId}:${PORT}` }
  get localAddress(): string { return `unix:/run/${this.nodeId}` }
  get isUp(): boolean { return this.#process !== undefined }
  get isLeader(): boolean { return this.#manager?.status().leader === true }

  /** Begins to run; the rest happens as time goes. */
  start(): void {
    if (this.#process !== undefined) return
    const { world } = this.#options
    const process = new SimProcess(world, this.nodeId, { nodeId: this.nodeId, role: 'manager', clusterId: world.clusterId })
    this.#process = process
    void this.#run(process)
  }

  /** The host stops at this instant and loses what was not flushed. */
  async crash(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#manager = undefined
    this.inside = undefined
    this.disk.crash()
    await process?.kill()
  }

  async #run(process: SimProcess): Promise<void> {
    const { world, bootstrap, joinAddress } = this.#options
    const { clock, random, dialer } = process
    try {
      this.#manager = await Manager.start({
        clock, random, dialer, logger: this.logger, kv: this.disk.openKv(), log: this.disk.openLog(), server: process.createServer(), localServer: process.createServer(),
        listenAddress: this.address, localAddress: this.localAddress, advertiseAddress: this.address, nodeId: this.nodeId, clusterId: world.clusterId, pid: 1, onStop: () => {},
        ...bootstrap === undefined ? {} : { bootstrap }, ...joinAddress === undefined ? {} : { joinAddress },
      })
      await this.#manager.stopped
    } catch (error) {
      this.logger.error('the manager ended', { err: error })
    }
    if (this.#process !== process) return
    await this.crash()
    world.clock.after(RESTART_MS, () => this.start())
  }
}
