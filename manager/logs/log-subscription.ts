import type { LogOptions, LogSelector, PublishLogsMessage, SubscriptionMessage } from '../../src/api/swarm/logs.ts'
import type { Task } from '../../src/api/swarm/objects.ts'
import { isAtLeast, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreView } from '../store/object-store.ts'
import { LogPipe } from './log-pipe.ts'

/** One client's wish for logs, and the nodes that have to answer it. */
export class LogSubscription {
  readonly id: string
  readonly pipe = new LogPipe()
  readonly #selector: LogSelector
  readonly #options: LogOptions
  readonly #waiting = new Set<string>()
  readonly #asked = new Set<string>()
  readonly #problems: string[] = []
  #isEnding = false

  constructor(id: string, selector: LogSelector, options: LogOptions) {
    this.id = id
    this.#selector = selector
    this.#options = options
  }

  /** Nodes that were asked, and have to be told of the end. */
  get asked(): ReadonlySet<string> { return this.#asked }
  get isFollowing(): boolean { return this.#options.follow }

  /** What the nodes are told. */
  message(close = false): SubscriptionMessage {
    return { id: this.id, selector: this.#selector, options: this.#options, close }
  }

  /** The nodes with tasks of the selector. Without follow those that have not run yet have nothing to say (G03). */
  nodesOf(view: StoreView): Set<string> {
    const { serviceIds, nodeIds, taskIds } = this.#selector
    const tasks = [...serviceIds.flatMap(id => view.tasksOfService(id)), ...nodeIds.flatMap(id => view.tasksOfNode(id)),
      ...taskIds.map(id => view.get('task', id)).filter(task => task !== undefined)]
    return new Set(tasks.filter(task => this.#isWanted(task)).map(task => task.nodeId))
  }

  concerns(task: Task): boolean {
    const { serviceIds, nodeIds, taskIds } = this.#selector
    return this.#isWanted(task) && (serviceIds.includes(task.serviceId) || nodeIds.includes(task.nodeId) || taskIds.includes(task.id))
  }

  /** @returns false when the node was asked before */
  ask(nodeId: string): boolean {
    if (this.#asked.has(nodeId)) return false
    this.#asked.add(nodeId)
    this.#waiting.add(nodeId)
    return true
  }

  /** The node has nothing more to say, or can not be heard. */
  answered(nodeId: string, problem = ''): void {
    if (!this.#waiting.delete(nodeId)) return
    if (problem !== '') this.#problems.push(problem)
  }

  /** The node may be asked again: it comes back. */
  forget(nodeId: string): void {
    this.#asked.delete(nodeId)
    this.#waiting.delete(nodeId)
  }

  /** Ends the stream once all nodes have answered; a followed one never ends by itself (G02). */
  async endIfDone(): Promise<void> {
    if (this.isFollowing || this.#waiting.size > 0 || this.#isEnding) return
    this.#isEnding = true
    if (this.#problems.length > 0) {
      const warning = `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${this.#problems.sort().join(', ')}`
      await this.pipe.put({ messages: [], warning })
    }
    this.pipe.close()
  }

  /** @returns false when the client is gone */
  async publish(message: PublishLogsMessage): Promise<boolean> {
    return message.messages.length === 0 || await this.pipe.put({ messages: message.messages, warning: '' })
  }

  #isWanted(task: Task): boolean {
    return task.nodeId !== '' && (this.isFollowing || isAtLeast(stateOf(task), 'running'))
  }
}
