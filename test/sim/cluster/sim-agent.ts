import { DISPATCHER_RPC } from '../../../src/api/codec/methods.ts'
import type { AssignmentsMessage, TaskStatusUpdate } from '../../../src/api/swarm/dispatcher.ts'
import type { Task, TaskState } from '../../../src/api/swarm/objects.ts'
import { isAtLeast, isTerminal, stateOf, taskStateNumber } from '../../../src/api/swarm/task-state.ts'
import { make } from '../../../src/api/codec/codec.ts'
import { messageOf } from '../../../src/base/errors.ts'
import type { RpcClient } from '../../../src/base/rpc.ts'
import { streamOf } from '../../../src/base/rpc.ts'
import { SimProcess, type SimWorld } from './sim-process.ts'

const STEP_MS = 150
const RETRY_MS = 700
const REPORTS_MAX = 100
/** What a task does next, when it may. */
const NEXT: Partial<Record<TaskState, TaskState>> = { assigned: 'accepted', accepted: 'preparing', preparing: 'ready', ready: 'starting', starting: 'running' }

/** A task as this host has it: survives the agent, as containers do. */
interface LocalTask { task: Task; state: TaskState; isReported: boolean }

export interface SimAgentOptions {
  readonly world: SimWorld
  readonly nodeId: string
  readonly managers: readonly string[]
}

/** A host that runs tasks: a small model of an agent, which speaks the real dispatcher protocol, with containers that are entries in a map. */
export class SimAgent {
  readonly nodeId: string
  readonly #options: SimAgentOptions
  readonly #tasks = new Map<string, LocalTask>()
  #process: SimProcess | undefined
  #stop: AbortController | undefined
  /** Chance per step that a running task fails. */
  failureRate = 0
  lastError = ''

  constructor(options: SimAgentOptions) {
    this.nodeId = options.nodeId
    this.#options = options
  }

  get isUp(): boolean { return this.#process !== undefined }
  /** Tasks whose containers run here now. */
  get running(): readonly Task[] { return [...this.#tasks.values()].filter(({ state }) => state === 'running').map(({ task }) => task) }

  start(): void {
    if (this.#process !== undefined) return
    const { world } = this.#options
    const process = new SimProcess(world, this.nodeId, { nodeId: this.nodeId, role: 'worker', clusterId: world.clusterId })
    this.#process = process
    this.#stop = new AbortController()
    for (const local of this.#tasks.values()) local.isReported = false
    this.#tick(process)
    void this.#live(process, this.#stop.signal)
  }

  /** The agent dies; its containers run on. */
  async crash(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    await process?.kill()
  }

  // --- containers

  #tick(process: SimProcess): void {
    process.clock.after(STEP_MS, () => {
      for (const local of this.#tasks.values()) this.#step(local)
      this.#tick(process)
    })
  }

  #step(local: LocalTask): void {
    const { random } = this.#options.world
    if (isTerminal(local.state)) return
    if (isAtLeast(local.task.desiredState, 'shutdown')) {
      if (random.next() < 0.5) this.#enter(local, 'shutdown')
    } else if (local.state === 'running') {
      if (random.next() < this.failureRate) this.#enter(local, 'failed')
    } else if (random.next() < 0.7) {
      const next = NEXT[local.state]
      // A task that is to wait is made ready and goes on when it is told.
      if (next !== undefined && taskStateNumber(next) <= Math.max(taskStateNumber('ready'), taskStateNumber(local.task.desiredState))) this.#enter(local, next)
    }
  }

  #enter(local: LocalTask, state: TaskState): void {
    local.state = state
    local.isReported = false
  }

  // --- the session

  async #live(process: SimProcess, signal: AbortSignal): Promise<void> {
    for (let turn = Math.floor(process.random.next() * 3); !process.isDead; turn++) {
      const { managers } = this.#options
      const client = process.dialer.dial(managers[turn % managers.length] as string)
      try {
        await this.#session(process, client, signal)
      } catch (error) {
        this.lastError = messageOf(error)
      }
      await client[Symbol.asyncDispose]()
      await process.clock.sleep(RETRY_MS * (0.5 + process.random.next()))
    }
  }

  async #session(process: SimProcess, client: RpcClient, signal: AbortSignal): Promise<void> {
    const description = { hostname: this.nodeId, engineVersion: 'sim', dataAddress: '', platform: { os: 'linux', architecture: 'x86_64' }, resources: { nanoCpus: 8e9, memoryBytes: 8e9 } }
    const life = new AbortController()
    const options = { signal: AbortSignal.any([signal, life.signal]) }
    const request = make('SessionRequest', { description })
    const parts: Promise<void>[] = []
    try {
      for await (const message of client.stream(DISPATCHER_RPC.session, streamOf(request), options)) {
        if (message.disconnect) return
        if (parts.length > 0) continue
        for (const local of this.#tasks.values()) local.isReported = false
        const { sessionId } = message
        const guard = async (part: Promise<void>): Promise<void> => {
          try {
            await part
          } catch (error) {
            life.abort(error)
          }
        }
        parts.push(guard(this.#beat(process, client, sessionId, options.signal)), guard(this.#assignments(client, sessionId, options.signal)), guard(this.#report(process, client, sessionId, options.signal)))
      }
    } finally {
      life.abort(new Error('the session ended'))
      await Promise.all(parts)
    }
  }

  async #beat(process: SimProcess, client: RpcClient, sessionId: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { periodMs } = await client.unary(DISPATCHER_RPC.heartbeat, { sessionId, appliedNetworks: [] }, { signal, timeoutMs: 3000 })
      await process.clock.sleep(periodMs, signal)
    }
  }

  async #assignments(client: RpcClient, sessionId: string, signal: AbortSignal): Promise<void> {
    let sequence = ''
    for await (const message of client.stream(DISPATCHER_RPC.assignments, streamOf({ sessionId }), { signal })) {
      if (message.type === 'incremental' && message.appliesTo !== sequence) throw new Error(`a change of ${message.appliesTo} came to ${sequence}`)
      sequence = message.resultsIn
      this.#assign(message)
    }
    throw new Error('the assignments ended')
  }

  #assign(message: AssignmentsMessage): void {
    const tasks = message.changes.flatMap(({ assignment, action }) => assignment?.task === undefined ? [] : [{ task: assignment.task, action }])
    if (message.type === 'complete') {
      const wanted = new Set(tasks.map(({ task }) => task.id))
      for (const id of this.#tasks.keys()) if (!wanted.has(id)) this.#tasks.delete(id)
    }
    for (const { task, action } of tasks) {
      const local = this.#tasks.get(task.id)
      if (action === 'remove') this.#tasks.delete(task.id)
      else if (local !== undefined) local.task = task
      else this.#tasks.set(task.id, { task, state: stateOf(task), isReported: true })
    }
  }

  async #report(process: SimProcess, client: RpcClient, sessionId: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const due = [...this.#tasks.values()].filter(({ isReported }) => !isReported).slice(0, REPORTS_MAX)
      if (due.length > 0) {
        const sent = due.map(({ state }) => state)
        const updates = due.map(({ task, state }): TaskStatusUpdate => make('TaskStatusUpdate', {
          taskId: task.id, status: { state, timestampMs: process.clock.nowMs(), message: state, err: state === 'failed' ? 'task: non-zero exit (1)' : '' },
        }))
        await client.unary(DISPATCHER_RPC.updateTaskStatus, { sessionId, updates }, { signal })
        due.forEach((local, i) => { if (local.state === sent[i]) local.isReported = true })
      }
      await process.clock.sleep(STEP_MS, signal)
    }
  }
}
