import type { ContainerInspectResponse } from '../../src/api/engine/engine-json.ts'
import type { Node, Task } from '../../src/api/swarm/objects.ts'
import type { Clock } from '../../src/base/clock.ts'
import { hasCode, messageOf, ShoalError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Engine } from '../engine/engine.ts'
import { checkNetworks } from './check-networks.ts'
import { verdictOf, waitForVerdict } from './container-health.ts'
import { readContainerLogs } from './container-logs.ts'
import { containerRequest, hostPorts, portKey, stopGraceSeconds } from './container-request.ts'
import type { Controller, Observation, TaskLogEntry, TaskLogOptions } from './controller.ts'
import type { NetworkTables } from './network-tables.ts'
import { taskExit, UNHEALTHY } from './task-exit.ts'
import { taskFiles, type TaskFileStore, type TaskSecretSource } from './task-files.ts'
import { templateContext } from './template.ts'

/** A10: pause between leaving the load balancers and the stop signal. */
const DRAIN_MS = 2_000
const NEVER_STARTED = /^(0001-01-01T|$)/

/** Fetches an image that is not on this node. Absent: images are only brought by hand. */
export type PullImage = (request: { readonly image: string; readonly registryAuth: string }, signal: AbortSignal) => Promise<void>

export interface ContainerSurroundings {
  readonly engine: Engine
  readonly networks: NetworkTables
  readonly files: TaskFileStore
  readonly secrets: TaskSecretSource
  readonly pullImage?: PullImage
  readonly node: () => Node | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/** Runs one task as one container, named as the task. */
export class ContainerController implements Controller {
  readonly #around: ContainerSurroundings
  #task: Task

  constructor(task: Task, around: ContainerSurroundings) {
    this.#task = task
    this.#around = around
  }

  update(task: Task): void { this.#task = task }

  async prepare(signal: AbortSignal): Promise<void> {
    if (await this.#find() !== undefined) return
    checkNetworks(this.#task, this.#around.networks)
    const files = taskFiles(this.#task, this.#around.secrets)
    await this.#ensureImage(signal)
    signal.throwIfAborted()
    const paths = await this.#around.files.write(this.#task.id, files)
    const mounts = files.map((file, i) => ({ source: paths[i] ?? '', target: file.target }))
    await this.#create(mounts)
  }

  async start(signal: AbortSignal): Promise<void> {
    const container = await this.#require()
    const id = container.Id ?? this.#name
    // A07: what was ever started is not started again; wait() tells how it ended.
    if (NEVER_STARTED.test(container.State?.StartedAt ?? '')) await this.#startContainer(id)
    const verdict = await waitForVerdict(this.#around.engine, id, ['healthy', 'unhealthy', 'ended'], signal)
    if (verdict === 'unhealthy') await this.#failUnhealthy(id)
    if (verdict === 'ended' && (await this.#require()).State?.Health !== undefined) await this.#hasEnded()
  }

  async wait(signal: AbortSignal): Promise<void> {
    const { Id: id = this.#name } = await this.#require()
    for (;;) {
      const verdict = await waitForVerdict(this.#around.engine, id, ['unhealthy', 'ended'], signal)
      if (verdict === 'unhealthy') await this.#failUnhealthy(id)
      // Someone may have restarted it by hand: then it is the same container, and runs.
      if (await this.#hasEnded()) return
    }
  }

  async shutdown(signal: AbortSignal): Promise<void> {
    const container = await this.#find()
    if (container === undefined) return
    if (container.State?.Running === true && this.#task.networks.length > 0) await this.#around.clock.sleep(DRAIN_MS, signal)
    await this.#stop(container.Id ?? this.#name)
  }

  async remove(): Promise<void> {
    const container = await this.#find()
    if (container !== undefined) await ignoring(['no-such-container'], this.#around.engine.containers.remove(container.Id ?? this.#name, { force: true, volumes: true }))
    await this.#around.files.remove(this.#task.id)
  }

  async observe(): Promise<Observation> {
    const container = await this.#find()
    if (container === undefined) return { hostPorts: [] }
    const { State: state, NetworkSettings: network } = container
    return {
      container: { containerId: container.Id ?? '', pid: state?.Pid ?? 0, exitCode: state?.ExitCode ?? 0 },
      hostPorts: state?.Running === true ? hostPorts(this.#task).map(port => {
        const bound = network?.Ports?.[portKey(port)]?.find(binding => port.publishedPort === 0 || Number(binding.HostPort) === port.publishedPort)
        return bound === undefined ? port : { ...port, publishedPort: Number(bound.HostPort ?? port.publishedPort) }
      }) : [],
    }
  }

  async *logs(options: TaskLogOptions, signal: AbortSignal): AsyncIterable<TaskLogEntry> {
    yield* readContainerLogs(this.#around.engine.containers, this.#name, options, signal)
  }

  get #name(): string { return this.#task.annotations?.name ?? this.#task.id }

  /** An image that is here is used as it is. A failing pull is only logged: creation tells what is missing (A05). */
  async #ensureImage(signal: AbortSignal): Promise<void> {
    const image = this.#task.spec?.container?.image ?? ''
    const { engine, pullImage, logger } = this.#around
    try {
      await engine.images.inspect(image)
      return
    } catch (error) {
      if (!hasCode(error, 'no-such-image')) throw error
    }
    try {
      await pullImage?.({ image, registryAuth: this.#task.spec?.container?.registryAuth ?? '' }, signal)
    } catch (err) {
      signal.throwIfAborted()
      logger.warn('cannot pull image', { taskId: this.#task.id, image, err })
    }
  }

  async #create(files: readonly { readonly source: string; readonly target: string }[]): Promise<void> {
    const { engine, node } = this.#around
    try {
      await engine.containers.create(containerRequest(this.#task, templateContext(this.#task, node()), files))
    } catch (error) {
      // A06: a container of this task is there already: an earlier try got that far.
      if (hasCode(error, 'name-in-use') && await this.#find() !== undefined) return
      if (hasCode(error, 'no-such-image')) throw new ShoalError('not-found', 'no-such-image', `No such image: ${this.#task.spec?.container?.image ?? ''}`, { cause: error })
      throw bindSourceError(error)
    }
  }

  async #startContainer(id: string): Promise<void> {
    try {
      await ignoring(['already-started'], this.#around.engine.containers.start(id))
    } catch (error) {
      throw bindSourceError(error)
    }
  }

  /** This task's container, if there is one: by name, and only if the label says that it is ours. */
  async #find(): Promise<ContainerInspectResponse | undefined> {
    try {
      const container = await this.#around.engine.containers.inspect(this.#name)
      return container.Config?.Labels?.['com.docker.swarm.task.id'] === this.#task.id ? container : undefined
    } catch (error) {
      if (hasCode(error, 'no-such-container')) return undefined
      throw error
    }
  }

  async #require(): Promise<ContainerInspectResponse> {
    const container = await this.#find()
    if (container === undefined) throw new ShoalError('not-found', 'no-such-container', `No such container: ${this.#name}`)
    return container
  }

  async #stop(id: string): Promise<void> {
    await ignoring(['already-stopped', 'no-such-container'], this.#around.engine.containers.stop(id, { timeoutSeconds: stopGraceSeconds(this.#task) }))
  }

  async #failUnhealthy(id: string): Promise<never> {
    await this.#stop(id)
    const exitCode = (await this.#require()).State?.ExitCode ?? 0
    throw taskExit(exitCode, UNHEALTHY)
  }

  /** False while it runs. @throws `task-exited` unless it ended with 0 */
  async #hasEnded(): Promise<boolean> {
    const { State: state } = await this.#require()
    if (verdictOf(state) !== 'ended') return false
    if ((state?.ExitCode ?? 0) !== 0) throw taskExit(state?.ExitCode ?? 0, state?.Error ?? '')
    return true
  }
}

async function ignoring(codes: readonly string[], promise: Promise<void>): Promise<void> {
  try {
    await promise
  } catch (error) {
    if (!codes.some(code => hasCode(error, code))) throw error
  }
}

/** A08: Docker's words for a bind source that is not there. */
function bindSourceError(error: unknown): unknown {
  const path = /bind source path does not exist: (.*)$/.exec(messageOf(error))?.[1]
  return path === undefined ? error : new ShoalError('invalid-argument', 'bind-source-missing', `invalid bind mount source, source path not found: ${path}`, { cause: error })
}
