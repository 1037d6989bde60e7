import type { Task } from '../../src/api/swarm/objects.ts'
import { hasCode } from '../../src/base/errors.ts'
import type { Engine } from '../engine/engine.ts'
import { checkNetworks } from './check-networks.ts'
import type { Controller, Observation, TaskLogEntry } from './controller.ts'
import type { NetworkTables } from './network-tables.ts'
import type { PlainAttachments } from './plain-attachments.ts'

export interface AttachmentSurroundings {
  readonly networks: NetworkTables
  readonly attachments: PlainAttachments
  readonly engine: { readonly containers: Pick<Engine['containers'], 'inspect'>; readonly networks: Pick<Engine['networks'], 'disconnect'> }
}

/** The task that a plain container's place on a network is: runs while the container is there, and runs nothing itself (D-263). */
export class AttachmentController implements Controller {
  readonly #around: AttachmentSurroundings
  #task: Task

  constructor(task: Task, around: AttachmentSurroundings) {
    this.#task = task
    this.#around = around
  }

  update(task: Task): void { this.#task = task }

  async prepare(): Promise<void> { checkNetworks(this.#task, this.#around.networks) }

  async start(): Promise<void> { this.#around.attachments.started(this.#task.id) }

  async wait(signal: AbortSignal): Promise<void> {
    await this.#around.attachments.untilReleased({ taskId: this.#task.id, containerId: this.#containerId, networkId: this.#networkId }, () => this.#isThere(), signal)
  }

  /** The address is no longer the container's: it must not go on using it. */
  async shutdown(): Promise<void> {
    if (!this.#around.attachments.isHeld(this.#task.id)) return
    try {
      await this.#around.engine.networks.disconnect(this.#networkId, this.#containerId, true)
    } catch (error) {
      if (!['no-such-container', 'not-connected', 'no-such-network'].some(code => hasCode(error, code))) throw error
    }
  }

  async remove(): Promise<void> {
    await this.shutdown()
    this.#around.attachments.ended(this.#task.id)
  }

  async observe(): Promise<Observation> { return { container: { containerId: this.#containerId, pid: 0, exitCode: 0 }, hostPorts: [] } }

  async *logs(): AsyncIterable<TaskLogEntry> {}

  get #containerId(): string { return this.#task.spec?.attachment?.containerId ?? '' }
  get #networkId(): string { return this.#task.networks[0]?.networkId ?? '' }

  async #isThere(): Promise<boolean> {
    try {
      const { State: state, NetworkSettings: settings } = await this.#around.engine.containers.inspect(this.#containerId)
      return state?.Running === true && Object.values(settings?.Networks ?? {}).some(endpoint => endpoint.NetworkID === this.#networkId)
    } catch (error) {
      if (hasCode(error, 'no-such-container')) return false
      throw error
    }
  }
}
