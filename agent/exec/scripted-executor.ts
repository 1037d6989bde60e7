import { make } from '../../src/api/codec/codec.ts'
import type { Node, NodeDescription, Task } from '../../src/api/swarm/objects.ts'
import type { Clock } from '../../src/base/clock.ts'
import { abortable } from '../../src/base/abort.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Controller, Observation, TaskLogEntry, TaskLogOptions } from './controller.ts'
import { refOf, type Dependency, type DependencyRef, type Executor } from './executor.ts'
import { taskExit } from './task-exit.ts'

/** How one task goes; what is absent takes no time and succeeds. */
export interface TaskScript {
  readonly prepareMs?: number
  readonly prepareError?: string
  readonly startMs?: number
  readonly startError?: string
  /** Runs this long, then ends by itself; absent: runs until stopped. */
  readonly runMs?: number
  readonly exitCode?: number
  readonly stopMs?: number
}

interface Process { state: 'created' | 'running' | 'exited'; exitCode: number; endsAtMs: number | undefined; wake: (() => void)[] }

/**
 * The twin of the engine: tasks are scripts on a clock. Processes live in `world`, which outlives the executor, so that a restarted agent
 * finds its containers again.
 */
export class ScriptedExecutor implements Executor {
  readonly #clock: Clock
  readonly #script: (task: Task) => TaskScript
  readonly #description: NodeDescription
  readonly #world: ScriptedWorld
  readonly #dependencies = new Map<string, Dependency>()

  constructor(options: { readonly clock: Clock; readonly script?: (task: Task) => TaskScript; readonly description?: NodeDescription; readonly world?: ScriptedWorld }) {
    this.#clock = options.clock
    this.#script = options.script ?? (() => ({}))
    this.#description = options.description ?? make('NodeDescription', { hostname: 'scripted', resources: { nanoCpus: 4_000_000_000, memoryBytes: 8_000_000_000 } })
    this.#world = options.world ?? new ScriptedWorld()
  }

  async describe(): Promise<NodeDescription> { return this.#description }
  configure(_node: Node): void { /* scripts use no templates */ }

  createController(task: Task): Controller {
    return new ScriptedController({ task, script: this.#script(task), clock: this.#clock, world: this.#world, isProvided: ref => this.#dependencies.has(keyOf(ref)) })
  }

  provide(dependency: Dependency): void { this.#dependencies.set(keyOf(refOf(dependency)), dependency) }
  withdraw(ref: DependencyRef): void { this.#dependencies.delete(keyOf(ref)) }
  provided(): readonly DependencyRef[] { return [...this.#dependencies.values()].map(refOf) }

  networkRevisions(): ReadonlyMap<string, number> {
    return new Map([...this.#dependencies.values()].flatMap(each => each.kind === 'network' ? [[each.value.networkId, each.value.revision]] : []))
  }

  async [Symbol.asyncDispose](): Promise<void> { /* processes live on in the world */ }
}

/** The containers of a scripted node, by task id. */
export class ScriptedWorld {
  readonly processes = new Map<string, Process>()

  /** Ids of the tasks whose process runs now, for a test's eyes. */
  running(): readonly string[] { return [...this.processes].filter(([, process]) => process.state === 'running').map(([id]) => id) }

  /** The process ends by itself with this status. */
  exit(taskId: string, exitCode: number): void {
    const process = this.processes.get(taskId)
    if (process?.state !== 'running') return
    process.state = 'exited'
    process.exitCode = exitCode
    for (const wake of process.wake.splice(0)) wake()
  }

  /** The host lost power: nothing runs any more. */
  crash(): void { for (const id of this.running()) this.exit(id, 137) }
}

class ScriptedController implements Controller {
  readonly #task: Task
  readonly #script: TaskScript
  readonly #clock: Clock
  readonly #world: ScriptedWorld
  readonly #isProvided: (ref: DependencyRef) => boolean

  constructor(options: { readonly task: Task; readonly script: TaskScript; readonly clock: Clock; readonly world: ScriptedWorld; readonly isProvided: (ref: DependencyRef) => boolean }) {
    this.#task = options.task
    this.#script = options.script
    this.#clock = options.clock
    this.#world = options.world
    this.#isProvided = options.isProvided
  }

  update(_task: Task): void { /* scripts do not change */ }

  async prepare(signal: AbortSignal): Promise<void> {
    for (const ref of dependenciesOf(this.#task)) {
      if (!this.#isProvided(ref)) throw new ShoalError('unavailable', 'dependency-missing', `${ref.kind} ${ref.id} has not arrived on this node yet`)
    }
    await this.#pass(this.#script.prepareMs, signal)
    if (this.#script.prepareError !== undefined) throw new ShoalError('unknown', 'task-exited', this.#script.prepareError)
    if (!this.#world.processes.has(this.#task.id)) this.#world.processes.set(this.#task.id, { state: 'created', exitCode: 0, endsAtMs: undefined, wake: [] })
  }

  async start(signal: AbortSignal): Promise<void> {
    const process = this.#require()
    if (process.state !== 'created') return
    await this.#pass(this.#script.startMs, signal)
    if (this.#script.startError !== undefined) throw new ShoalError('unknown', 'task-exited', this.#script.startError)
    process.state = 'running'
    if (this.#script.runMs !== undefined) process.endsAtMs = this.#clock.monotonicMs() + this.#script.runMs
  }

  async wait(signal: AbortSignal): Promise<void> {
    const process = this.#require()
    const timer = process.endsAtMs === undefined ? undefined
      : this.#clock.after(process.endsAtMs - this.#clock.monotonicMs(), () => this.#world.exit(this.#task.id, this.#script.exitCode ?? 0))
    try {
      if (process.state === 'running') await abortable(new Promise<void>(resolve => { process.wake.push(resolve) }), signal)
    } finally {
      timer?.cancel()
    }
    if (process.exitCode !== 0) throw taskExit(process.exitCode, '')
  }

  async shutdown(signal: AbortSignal): Promise<void> {
    if (this.#world.processes.get(this.#task.id)?.state !== 'running') return
    await this.#pass(this.#script.stopMs, signal)
    this.#world.exit(this.#task.id, 143)
  }

  async remove(): Promise<void> {
    this.#world.exit(this.#task.id, 137)
    this.#world.processes.delete(this.#task.id)
  }

  async observe(): Promise<Observation> {
    const process = this.#world.processes.get(this.#task.id)
    if (process === undefined) return { hostPorts: [] }
    return { container: { containerId: `container-${this.#task.id}`, pid: process.state === 'running' ? 1 : 0, exitCode: process.exitCode }, hostPorts: [] }
  }

  async *logs(_options: TaskLogOptions, _signal: AbortSignal): AsyncIterable<TaskLogEntry> {
    yield { stream: 'stdout', timestamp: new Date(this.#clock.nowMs()).toISOString(), data: new TextEncoder().encode(`log of ${this.#task.id}\n`) }
  }

  async #pass(timeMs: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (timeMs !== undefined) await this.#clock.sleep(timeMs, signal)
  }

  #require(): Process {
    const process = this.#world.processes.get(this.#task.id)
    if (process === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${this.#task.id}`)
    return process
  }
}

function dependenciesOf(task: Task): readonly DependencyRef[] {
  const container = task.spec?.container
  return [
    ...(container?.secrets ?? []).map(ref => ({ kind: 'secret' as const, id: ref.secretId })),
    ...(container?.configs ?? []).map(ref => ({ kind: 'config' as const, id: ref.configId })),
    ...task.networks.filter(network => !/^(host|bridge|none)$/.test(network.networkId)).map(network => ({ kind: 'network' as const, id: network.networkId })),
  ]
}

function keyOf(ref: DependencyRef): string { return `${ref.kind}/${ref.id}` }
