import { Manager } from '../../../manager/manager.ts'
import type { ManagerBootstrap } from '../../../manager/bootstrap-cluster.ts'
import { RaftLogStore } from '../../../manager/raft/raft-log-store.ts'
import type { RaftStop } from '../../../manager/raft/raft-stop.ts'
import { messageOf, ShoalError } from '../../../src/base/errors.ts'
import { MemoryLogger } from '../../../src/platform/log/memory-logger.ts'
import { CrashDisk } from '../../../src/platform/storage/crash-disk.ts'
import { SafetyViolation } from '../core/core-invariants.ts'
import type { ManagerInside } from './instruments.ts'
import { HostTime, ProcessClock } from './sim-clock.ts'
import { SimProcess, type SimWorld } from './sim-process.ts'

const PORT = 2377
/** What the host's supervisor waits before it starts a manager again that ended by itself. */
const RESTART_MS = 2000
/** With these a manager says that what it kept is not whole. */
const DAMAGE: ReadonlySet<string> = new Set(['log-damaged', 'log-missing', 'log-behind-state', 'state-behind-log', 'state-damaged', 'malformed-message', 'raft-invariant'])

export interface SimManagerOptions {
  readonly world: SimWorld
  readonly nodeId: string
  /** For the first one; the others join. */
  readonly bootstrap?: ManagerBootstrap
  /** Another manager, to join through. */
  readonly via: () => string
  /** It found what it kept damaged, on a disk that nobody damaged. */
  readonly onDamage: (nodeId: string, error: unknown) => void
}

/** A manager host: the real manager on a simulated disk and network. */
export class SimManager {
  readonly nodeId: string
  readonly disk: CrashDisk
  readonly time = new HostTime()
  readonly logger = new MemoryLogger()
  /** Set by the instruments while it runs. */
  inside: ManagerInside | undefined
  /** It takes part, or is to: false once it was removed. */
  isMember: boolean
  /** Its disk has lost or turned what it had taken: whoever notices has it join anew. */
  isDamaged = false
  /** start() does nothing. */
  isHeldDown = false
  readonly #options: SimManagerOptions
  #isFounder: boolean
  #joinAddress = ''
  #process: SimProcess | undefined
  #manager: Manager | undefined

  constructor(options: SimManagerOptions, isMember: boolean) {
    this.nodeId = options.nodeId
    this.isMember = isMember
    this.#options = options
    this.#isFounder = options.bootstrap !== undefined
    this.disk = new CrashDisk(new ProcessClock(options.world.clock, this.time), options.world.random)
  }

  get address(): string { return `${this.nodeId}:${PORT}` }
  get localAddress(): string { return `unix:/run/${this.nodeId}` }
  /** Whom it was told to ask when it was started, unless it founded the cluster. */
  get joinAddress(): string { return this.#joinAddress }
  get isUp(): boolean { return this.#process !== undefined }
  get isLeader(): boolean { return this.#manager?.status().leader === true }

  /** Begins to run; the rest happens as time goes. */
  start(): void {
    if (this.#process !== undefined || !this.isMember || this.isHeldDown) return
    const { world } = this.#options
    const process = new SimProcess(world, { host: this.nodeId, time: this.time, identity: { nodeId: this.nodeId, role: 'manager', clusterId: world.clusterId } })
    this.#process = process
    void this.#run(process)
  }

  /** The host stops at this instant and loses what was not flushed. */
  async crash(): Promise<void> {
    const before = this.isDamaged ? undefined : this.inside?.raft.logEnd()
    await this.#end(() => this.disk.crash())
    if (before !== undefined) await this.#checkLog(before)
  }

  /** The process is killed; the host keeps what it wrote, flushed or not. */
  async kill(): Promise<void> { await this.#end(() => this.disk.kill()) }

  /** It was no member, and is to be one again: under another raft id. */
  join(): void {
    this.isMember = true
    this.start()
  }

  /** It was removed, and is told so: it begins anew as no member. */
  async retire(): Promise<void> {
    await this.kill()
    this.isMember = false
    this.#forget()
  }

  /** Nothing runs, so no clock does: everything goes on as it was. */
  resume(): void {
    const { world } = this.#options
    this.time.goOn(world.clock)
    world.faults.goOn(this.nodeId)
  }

  /** What the process held for durable has survived. */
  async #checkLog(before: { readonly lastIndex: number; readonly lastTerm: number }): Promise<void> {
    const { nodeId } = this
    const { onDamage } = this.#options
    try {
      const log = await RaftLogStore.open(this.disk.copyOfLog(), () => undefined)
      const lastIndex = log.lastIndex()
      const lastTerm = log.term(lastIndex)
      if (lastTerm <= before.lastTerm && lastIndex < before.lastIndex) throw new SafetyViolation('WrittenIsDurable', `the log ends with ${lastIndex}/${lastTerm} after a power cut, and ended with ${before.lastIndex}/${before.lastTerm}`)
    } catch (error) {
      onDamage(nodeId, error)
    }
  }

  async #end(stopDisk: () => void): Promise<void> {
    const process = this.#process
    this.#process = undefined
    this.#manager = undefined
    this.inside = undefined
    this.resume()
    stopDisk()
    await process?.kill()
  }

  async #run(process: SimProcess): Promise<void> {
    const { world, bootstrap, via } = this.#options
    const { clock, random, dialer } = process
    let stop: RaftStop
    this.#joinAddress = via()
    try {
      const manager = await Manager.start({
        clock, random, dialer, logger: this.logger, kv: this.disk.openKv(), log: this.disk.openLog(), server: process.createServer(), localServer: process.createServer(),
        listenAddress: this.address, localAddress: this.localAddress, advertiseAddress: this.address, nodeId: this.nodeId, clusterId: world.clusterId, pid: 1, onStop: () => {},
        ...this.#isFounder && bootstrap !== undefined ? { bootstrap } : { joinAddress: this.#joinAddress },
      })
      if (this.#process === process) this.#manager = manager
      stop = await manager.stopped
    } catch (error) {
      stop = { kind: 'failed', error }
    }
    if (this.#process === process) await this.#ended(stop)
  }

  async #ended(stop: RaftStop): Promise<void> {
    const { world, onDamage, nodeId } = this.#options
    const { events } = world
    await this.kill()
    if (stop.kind === 'removed') {
      events.note('manager learns that it was removed')
      return this.retire()
    }
    const error = stop.kind === 'failed' ? stop.error : undefined
    this.logger.error('the manager ended', { err: error })
    const text = messageOf(error)
    if (text.includes('ENOSPC')) events.note('manager stops on a full disk')
    else if (text.includes('EIO')) events.note('manager stops on a failing disk')
    if (error instanceof ShoalError && DAMAGE.has(error.code)) {
      if (!this.isDamaged) return onDamage(nodeId, error)
      events.note(`damage noticed: ${error.code}`)
      this.#forget()
    }
    world.clock.after(RESTART_MS, () => this.start())
  }

  /** As an operator does with a manager that was removed, or whose log is damaged: its folder is emptied. */
  #forget(): void {
    this.#isFounder = false
    this.isDamaged = false
    this.disk.wipe()
  }
}
