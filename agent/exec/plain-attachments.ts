import { RESOURCE_ALLOCATOR_RPC } from '../../src/api/codec/methods.ts'
import type { AttachNetworkResponse } from '../../src/api/swarm/dispatcher.ts'
import { abortable } from '../../src/base/abort.ts'
import type { Clock } from '../../src/base/clock.ts'
import { hasCode, messageOf, ShoalError } from '../../src/base/errors.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { RpcCallOptions, RpcMethod } from '../../src/base/rpc.ts'
import type { Containers } from '../engine/engine.ts'
import type { AttachRequest, OverlayAttachments } from '../engine/network/overlay-attachments.ts'

/** A18 */
const ATTACH_TIMEOUT_MS = 20_000
const FIND_TIMEOUT_MS = 5_000
const TASK_LABEL = 'com.docker.swarm.task.id'

/** A manager, as this node may ask it. */
export interface ManagerCalls {
  /** Waits for a session if there is none right now. */
  call<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options: RpcCallOptions): Promise<Res>
}

/** One container on one network of the cluster. `taskId` is empty until a manager answered. */
interface Hold { readonly containerId: string; taskId: string; networkId: string; readonly answered: Latch; readonly released: Latch }

/**
 * Plain containers on the cluster's networks: asks a manager for an attachment task, waits until it has arrived here (and the network with
 * it), and ends it when the container leaves. Lives as long as the daemon; the host's membership comes and goes (D-263).
 */
export class PlainAttachments implements OverlayAttachments {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #containers: () => Pick<Containers, 'inspect'>
  readonly #holds = new Set<Hold>()
  readonly #started = new Map<string, Latch>()
  #managers: ManagerCalls | undefined

  constructor(options: { readonly clock: Clock; readonly logger: Logger; readonly containers: () => Pick<Containers, 'inspect'> }) {
    this.#clock = options.clock
    this.#logger = options.logger
    this.#containers = options.containers
  }

  /** This host entered a cluster, or left it. */
  connect(managers: ManagerCalls | undefined): void { this.#managers = managers }

  async isAttachable(networkRef: string): Promise<boolean> {
    if (this.#managers === undefined) return false
    try {
      await this.#managers.call(RESOURCE_ALLOCATOR_RPC.findNetwork, { networkRef }, { timeoutMs: FIND_TIMEOUT_MS })
      return true
    } catch (error) {
      if (hasCode(error, 'object-not-found')) return false
      throw couldNotAttach(networkRef, error)
    }
  }

  async acquire(request: AttachRequest, signal?: AbortSignal): Promise<{ readonly networkId: string; readonly address: string }> {
    const { networkRef, containerId, address, names } = request
    if (address !== '' && await this.#isTask(containerId)) return { networkId: networkRef, address }
    const hold: Hold = { containerId, taskId: '', networkId: '', answered: createLatch(), released: createLatch() }
    this.#holds.add(hold)
    const timeout = new AbortController()
    const timer = this.#clock.after(ATTACH_TIMEOUT_MS, () => timeout.abort(new ShoalError('deadline-exceeded', 'attachment-timeout', `the cluster did not bring it to this host within ${ATTACH_TIMEOUT_MS / 1000} s`)))
    const either = signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal])
    try {
      const answer = await this.#ask({ networkRef, containerId, address, names }, either)
      hold.taskId = answer.attachmentId
      hold.networkId = answer.networkId
      hold.answered.open()
      await abortable(this.#startOf(hold.taskId).opened, either)
      return { networkId: answer.networkId, address: answer.address }
    } catch (error) {
      this.#release(hold)
      throw couldNotAttach(networkRef, error)
    } finally {
      timer.cancel()
    }
  }

  async release(containerId: string, networkId?: string): Promise<void> {
    for (const hold of this.#holds) if (hold.containerId === containerId && (networkId === undefined || hold.networkId === networkId)) this.#release(hold)
  }

  /** The attachment task runs here: its network is in the kernel. */
  started(taskId: string): void { this.#startOf(taskId).open() }

  isHeld(taskId: string): boolean { return this.#holdOf(taskId) !== undefined }

  /** The attachment task is gone from here. */
  ended(taskId: string): void { this.#started.delete(taskId) }

  /** Resolves when the container has left the network, or was never there. After a restart of the daemon the container itself tells. */
  async untilReleased(attachment: { readonly taskId: string; readonly containerId: string; readonly networkId: string }, isThere: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const { taskId, containerId, networkId } = attachment
    for (const hold of [...this.#holds]) if (hold.containerId === containerId && hold.taskId === '') await abortable(hold.answered.opened, signal)
    if (!this.isHeld(taskId) && await isThere() && ![...this.#holds].some(hold => hold.containerId === containerId && hold.networkId === networkId)) {
      this.#holds.add({ containerId, taskId, networkId, answered: createLatch(), released: createLatch() })
    }
    const hold = this.#holdOf(taskId)
    if (hold !== undefined) await abortable(hold.released.opened, signal)
  }

  /** The container is a task's own: its addresses are the cluster's already. */
  async #isTask(containerId: string): Promise<boolean> {
    return TASK_LABEL in ((await this.#containers().inspect(containerId)).Config?.Labels ?? {})
  }

  async #ask(request: AttachRequest, signal: AbortSignal): Promise<AttachNetworkResponse> {
    if (this.#managers === undefined) throw new ShoalError('not-found', 'no-such-network', `network ${request.networkRef} not found`)
    return this.#managers.call(RESOURCE_ALLOCATOR_RPC.attachNetwork, request, { signal, timeoutMs: ATTACH_TIMEOUT_MS })
  }

  #release(hold: Hold): void {
    this.#holds.delete(hold)
    hold.answered.open()
    hold.released.open()
    this.#logger.debug('a container left a network of the cluster', { container: hold.containerId, network: hold.networkId, task: hold.taskId })
  }

  #holdOf(taskId: string): Hold | undefined { return [...this.#holds].find(hold => hold.taskId === taskId) }

  #startOf(taskId: string): Latch {
    let latch = this.#started.get(taskId)
    if (latch === undefined) this.#started.set(taskId, latch = createLatch())
    return latch
  }
}

interface Latch { readonly opened: Promise<void>; readonly open: () => void }

function createLatch(): Latch {
  let open = (): void => {}
  const opened = new Promise<void>(resolve => { open = resolve })
  return { opened, open }
}

/** Docker's words (A18). */
function couldNotAttach(networkRef: string, error: unknown): unknown {
  if (hasCode(error, 'object-not-found') || hasCode(error, 'no-such-network')) return new ShoalError('not-found', 'no-such-network', `network ${networkRef} not found`, { cause: error })
  if (!(error instanceof ShoalError)) return error
  const prefix = error.kind === 'permission-denied' ? 'rpc error: code = PermissionDenied desc = ' : ''
  return new ShoalError(error.kind, error.code, `Could not attach to network ${networkRef}: ${prefix}${messageOf(error)}`, { cause: error })
}
