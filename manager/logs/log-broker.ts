import type {
  PublishLogsMessage, PublishLogsResponse, SubscribeLogsMessage, SubscribeLogsRequest, SubscriptionMessage,
} from '../../src/api/swarm/logs.ts'
import { Channel } from '../../src/base/channel.ts'
import type { Clock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { createId } from '../../src/base/ids.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { Random } from '../../src/base/random.ts'
import type { RpcContext } from '../../src/base/rpc.ts'
import { TaskGroup } from '../../src/base/task-group.ts'
import { followStore } from '../store/follow-store.ts'
import type { ObjectStore, StoreCommit } from '../store/object-store.ts'
import { LogSubscription } from './log-subscription.ts'

/** Subscriptions a node may be behind in taking up: more than people have open at once. */
const MESSAGES_PER_LISTENER_MAX = 1_000
const SUBSCRIPTIONS_MAX = 500

/** What LogBroker works with. */
export interface LogBrokerComponents { readonly store: ObjectStore; readonly clock: Clock; readonly random: Random; readonly logger: Logger }

/**
 * Service logs: a client subscribes, the nodes that run the tasks are asked, they publish, the client reads (G01). Nothing is kept here.
 * Lives for one leadership; clients see their stream end with it.
 */
export class LogBroker implements AsyncDisposable {
  readonly #deps: LogBrokerComponents
  readonly #subscriptions = new Map<string, LogSubscription>()
  readonly #listeners = new Map<string, Channel<SubscriptionMessage>>()
  readonly #group: TaskGroup

  constructor(components: LogBrokerComponents) {
    this.#deps = components
    this.#group = new TaskGroup(components.logger)
  }

  /** Call once. */
  start(): void { this.#group.run('log broker watch', signal => followStore(this.#deps, commit => this.#observe(commit), signal)) }

  /** The logs of the selector, until all nodes have answered or, when following, until the caller goes. @throws ShoalError `invalid-log-request` */
  async *subscribe(request: SubscribeLogsRequest, context: RpcContext): AsyncIterable<SubscribeLogsMessage> {
    context.signal.throwIfAborted()
    const subscription = this.#open(request)
    const onAbort = (): void => subscription.pipe.close()
    context.signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (const nodeId of subscription.nodesOf(this.#deps.store.view())) this.#ask(subscription, nodeId)
      await subscription.endIfDone()
      yield* subscription.pipe.read()
    } finally {
      context.signal.removeEventListener('abort', onAbort)
      this.#close(subscription)
    }
  }

  /** What the calling node is asked for, from now on. A new call takes over from the last one. */
  async *listen(context: RpcContext): AsyncIterable<SubscriptionMessage> {
    const nodeId = callerOf(context)
    context.signal.throwIfAborted()
    this.#listeners.get(nodeId)?.close()
    const channel = new Channel<SubscriptionMessage>(MESSAGES_PER_LISTENER_MAX)
    const onAbort = (): void => channel.close()
    this.#listeners.set(nodeId, channel)
    context.signal.addEventListener('abort', onAbort, { once: true })
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.isFollowing && subscription.nodesOf(this.#deps.store.view()).has(nodeId)) this.#ask(subscription, nodeId)
    }
    try {
      yield* channel
    } finally {
      context.signal.removeEventListener('abort', onAbort)
      if (this.#listeners.get(nodeId) === channel) await this.#lose(nodeId)
    }
  }

  /** Takes a node's logs. Waits while the client is slow. @throws ShoalError `log-not-own` (permission-denied), `no-such-subscription` (not-found) */
  async publish(messages: AsyncIterable<PublishLogsMessage>, context: RpcContext): Promise<PublishLogsResponse> {
    const nodeId = callerOf(context)
    let subscription: LogSubscription | undefined
    try {
      for await (const message of messages) {
        subscription = this.#subscriptions.get(message.subscriptionId)
        if (subscription === undefined) throw new ShoalError('not-found', 'no-such-subscription', `log subscription ${message.subscriptionId} is closed`)
        if (message.messages.some(log => log.context?.nodeId !== nodeId)) {
          throw new ShoalError('permission-denied', 'log-not-own', `node ${nodeId} published logs of another node`)
        }
        await subscription.publish(message)
        if (message.done) subscription.answered(nodeId, message.error)
      }
    } finally {
      // A stream that ends without having said so leaves no one waiting.
      subscription?.answered(nodeId, `node ${nodeId} disconnected unexpectedly`)
      await subscription?.endIfDone()
    }
    return {}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions.values()) subscription.pipe.close()
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    await this.#group[Symbol.asyncDispose]()
  }

  #open({ selector, options }: SubscribeLogsRequest): LogSubscription {
    if (selector === undefined || selector.serviceIds.length + selector.nodeIds.length + selector.taskIds.length === 0) {
      throw new ShoalError('invalid-argument', 'invalid-log-request', 'log selector must be provided')
    }
    if (options === undefined || options.streams.length === 0) {
      throw new ShoalError('invalid-argument', 'invalid-log-request', 'Bad parameters: you must choose at least one stream')
    }
    if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      throw new ShoalError('resource-exhausted', 'too-many-log-streams', `${SUBSCRIPTIONS_MAX} log streams are open; close some of them`)
    }
    const subscription = new LogSubscription(createId(this.#deps.random), selector, options)
    this.#subscriptions.set(subscription.id, subscription)
    return subscription
  }

  #ask(subscription: LogSubscription, nodeId: string): void {
    const listener = this.#listeners.get(nodeId)
    if (listener === undefined && subscription.isFollowing) return
    if (!subscription.ask(nodeId)) return
    if (listener?.push(subscription.message()) !== true) subscription.answered(nodeId, `node ${nodeId} is not available`)
  }

  #close(subscription: LogSubscription): void {
    this.#subscriptions.delete(subscription.id)
    for (const nodeId of subscription.asked) this.#listeners.get(nodeId)?.push(subscription.message(true))
  }

  async #lose(nodeId: string): Promise<void> {
    this.#listeners.delete(nodeId)
    // All at once: a client that does not read must not keep others from hearing that theirs is complete.
    await Promise.all([...this.#subscriptions.values()].map(async subscription => {
      subscription.answered(nodeId, `node ${nodeId} disconnected unexpectedly`)
      if (subscription.isFollowing) subscription.forget(nodeId)
      await subscription.endIfDone()
    }))
  }

  /** A followed service gets new tasks, on nodes that were not asked yet. */
  #observe(commit: StoreCommit): void {
    for (const subscription of this.#subscriptions.values()) {
      if (!subscription.isFollowing) continue
      const nodeIds = commit.changes === 'all' ? [...subscription.nodesOf(commit.view)] : commit.changes.flatMap(change =>
        change.kind === 'task' && change.action !== 'remove' && subscription.concerns(change.object) ? [change.object.nodeId] : [])
      for (const nodeId of nodeIds) this.#ask(subscription, nodeId)
    }
  }
}

function callerOf(context: RpcContext): string {
  if (context.identity === undefined) throw new ShoalError('unauthenticated', 'no-certificate', 'this call needs a certificate of the cluster')
  return context.identity.nodeId
}
