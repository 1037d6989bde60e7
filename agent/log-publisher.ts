import { LOG_BROKER_RPC } from '../src/api/codec/methods.ts'
import type { LogSelector, PublishLogsMessage, SubscriptionMessage } from '../src/api/swarm/logs.ts'
import type { Task } from '../src/api/swarm/objects.ts'
import { isAtLeast } from '../src/api/swarm/task-state.ts'
import { messageOf } from '../src/base/errors.ts'
import type { Logger } from '../src/base/logger.ts'
import { Pipe } from '../src/base/pipe.ts'
import type { RpcClient } from '../src/base/rpc.ts'
import { TaskGroup } from '../src/base/task-group.ts'
import type { TaskLogOptions } from './exec/controller.ts'
import type { TaskManager } from './task-manager.ts'
import type { Worker } from './worker.ts'

/** Log entries read ahead of the network, per subscription. */
const WINDOW = 64

/** Answers a manager's log subscriptions with the output of this node's tasks (G01..G03). */
export class LogPublisher {
  readonly #worker: Worker
  readonly #nodeId: string
  readonly #logger: Logger

  constructor(options: { readonly worker: Worker; readonly nodeId: string; readonly logger: Logger }) {
    this.#worker = options.worker
    this.#nodeId = options.nodeId
    this.#logger = options.logger
  }

  /** Serves subscriptions during one session. Ends when the manager ends the stream; rejects when it breaks. */
  async run(client: RpcClient, signal: AbortSignal): Promise<void> {
    const open = new Map<string, TaskGroup>()
    try {
      for await (const message of client.stream(LOG_BROKER_RPC.listenSubscriptions, onlyRequest(), { signal })) {
        const known = open.get(message.id)
        if (message.close) {
          open.delete(message.id)
          await known?.[Symbol.asyncDispose]()
        } else if (known === undefined) {
          const group = new TaskGroup(this.#logger)
          open.set(message.id, group)
          group.run('publish logs', async inner => this.#publish(client, message, inner))
        }
      }
    } finally {
      await Promise.all([...open.values()].map(group => group[Symbol.asyncDispose]()))
    }
  }

  async #publish(client: RpcClient, subscription: SubscriptionMessage, signal: AbortSignal): Promise<void> {
    const pipe = new Pipe<PublishLogsMessage>(WINDOW)
    const reading = this.#read(subscription, pipe, signal)
    try {
      for await (const _ of client.stream(LOG_BROKER_RPC.publishLogs, pipe, { signal })) { /* the answer is empty */ }
    } finally {
      pipe.close()
      await reading
    }
  }

  /** Never rejects: what fails is told to the subscriber. */
  async #read(subscription: SubscriptionMessage, pipe: Pipe<PublishLogsMessage>, signal: AbortSignal): Promise<void> {
    const subscriptionId = subscription.id
    const { selector } = subscription
    const isFollowing = subscription.options?.follow === true
    const started = new Set<string>()
    const readings = new Set<Promise<void>>()
    const errors: string[] = []
    const read = (manager: TaskManager): void => {
      const { task } = manager
      if (started.has(task.id) || !isSelected(task, this.#nodeId, selector) || !isAtLeast(manager.status.state, 'running')) return
      started.add(task.id)
      const reading = this.#readTask(manager, subscription, pipe, signal)
        .catch((error: unknown) => { if (!signal.aborted) errors.push(`${task.annotations?.name ?? task.id}: ${messageOf(error)}`) })
        .finally(() => readings.delete(reading))
      readings.add(reading)
    }
    const unwatch = isFollowing ? this.#worker.watch(read) : undefined
    for (const manager of this.#worker.tasks()) read(manager)
    if (isFollowing) await untilAborted(signal)
    await Promise.all(readings)
    unwatch?.()
    await pipe.put({ subscriptionId, messages: [], done: true, error: errors.join('; ') })
    pipe.close()
  }

  async #readTask(manager: TaskManager, subscription: SubscriptionMessage, pipe: Pipe<PublishLogsMessage>, signal: AbortSignal): Promise<void> {
    const { task } = manager
    const context = { serviceId: task.serviceId, nodeId: this.#nodeId, taskId: task.id }
    for await (const { stream, timestamp, data } of manager.controller.logs(optionsOf(subscription), signal)) {
      const message = { context, stream, timestamp, data, attributes: [] }
      if (!await pipe.put({ subscriptionId: subscription.id, messages: [message], done: false, error: '' })) return
    }
  }
}

async function* onlyRequest(): AsyncIterable<Record<never, never>> { yield {} }

function isSelected(task: Task, nodeId: string, selector: LogSelector | undefined): boolean {
  if (selector === undefined) return false
  return selector.taskIds.includes(task.id) || selector.serviceIds.includes(task.serviceId) || selector.nodeIds.includes(nodeId)
}

function optionsOf({ options }: SubscriptionMessage): TaskLogOptions {
  const streams = options?.streams ?? []
  return {
    stdout: streams.length === 0 || streams.includes('stdout'), stderr: streams.length === 0 || streams.includes('stderr'),
    follow: options?.follow ?? false, sinceMs: options?.sinceMs ?? 0, ...(options?.tail === undefined ? {} : { tail: options.tail }),
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>(resolve => { signal.addEventListener('abort', () => resolve(), { once: true }) })
}
