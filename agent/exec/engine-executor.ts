import type { Config, Node, NodeDescription, Secret, Task } from '../../src/api/swarm/objects.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Engine } from '../engine/engine.ts'
import { AttachmentController } from './attachment-controller.ts'
import { ContainerController, type PullImage } from './container-controller.ts'
import type { Controller } from './controller.ts'
import type { Dependency, DependencyRef, Executor } from './executor.ts'
import { NetworkTables } from './network-tables.ts'
import type { PlainAttachments } from './plain-attachments.ts'
import type { TaskFileStore } from './task-files.ts'

export interface EngineExecutorOptions {
  readonly engine: Engine
  readonly files: TaskFileStore
  /** Asked again every 20 s. See nodeDescription(). */
  readonly describe: () => Promise<NodeDescription>
  readonly pullImage?: PullImage
  /** Absent: this host takes no plain containers onto the cluster's networks. */
  readonly attachments?: PlainAttachments
  readonly clock: Clock
  readonly logger: Logger
}

/** Runs tasks as containers of the engine. Does not own the engine. */
export class EngineExecutor implements Executor {
  readonly #options: EngineExecutorOptions
  readonly #networks: NetworkTables
  readonly #secrets = new Map<string, Secret>()
  readonly #configs = new Map<string, Config>()
  #node: Node | undefined

  constructor(options: EngineExecutorOptions) {
    this.#options = options
    this.#networks = new NetworkTables({ engine: options.engine.networks, clock: options.clock, logger: options.logger })
  }

  describe(): Promise<NodeDescription> { return this.#options.describe() }

  configure(node: Node): void { this.#node = node }

  createController(task: Task): Controller {
    const { engine, files, pullImage, attachments, clock, logger } = this.#options
    if (task.spec?.attachment !== undefined && attachments !== undefined) return new AttachmentController(task, { engine, attachments, networks: this.#networks })
    return new ContainerController(task, {
      engine, files, clock, logger, networks: this.#networks, node: () => this.#node,
      secrets: { secret: id => this.#secrets.get(id), config: id => this.#configs.get(id) },
      ...(pullImage === undefined ? {} : { pullImage }),
    })
  }

  provide(dependency: Dependency): void {
    switch (dependency.kind) {
      case 'secret': this.#secrets.set(dependency.value.id, dependency.value); return
      case 'config': this.#configs.set(dependency.value.id, dependency.value); return
      case 'network': this.#networks.put(dependency.value); return
    }
  }

  withdraw({ kind, id }: DependencyRef): void {
    switch (kind) {
      case 'secret': this.#secrets.delete(id); return
      case 'config': this.#configs.delete(id); return
      case 'network': this.#networks.remove(id); return
    }
  }

  provided(): readonly DependencyRef[] {
    const refs = (kind: DependencyRef['kind'], ids: Iterable<string>): readonly DependencyRef[] => [...ids].map(id => ({ kind, id }))
    return [...refs('secret', this.#secrets.keys()), ...refs('config', this.#configs.keys()), ...refs('network', this.#networks.ids())]
  }

  networkRevisions(): ReadonlyMap<string, number> { return this.#networks.revisions() }

  async [Symbol.asyncDispose](): Promise<void> { await this.#networks[Symbol.asyncDispose]() }
}
