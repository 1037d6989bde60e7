import { decode, encode } from '../src/api/codec/codec.ts'
import type { WeightedPeer } from '../src/api/swarm/dispatcher.ts'
import type { Task, TaskStatus } from '../src/api/swarm/objects.ts'
import { isTerminal } from '../src/api/swarm/task-state.ts'
import type { KvStore } from '../src/base/storage.ts'

const TASKS = 'agent/task/'
const STATUSES = 'agent/status/'
const MANAGERS = 'agent/managers'
/** '/' + 1: the end of a range of keys under a prefix that ends in '/'. */
const endOf = (prefix: string): string => `${prefix.slice(0, -1)}0`

export interface StoredTask { readonly task: Task; readonly status: TaskStatus | undefined }

/** What an agent remembers over a restart: its tasks, how far they got, and where the managers are (A02). */
export class TaskDb {
  readonly #kv: KvStore

  /** @param kv not owned; keys under "agent/" */
  constructor(kv: KvStore) { this.#kv = kv }

  async load(): Promise<readonly StoredTask[]> {
    const statuses = new Map<string, TaskStatus>()
    for await (const [key, bytes] of this.#kv.range(STATUSES, endOf(STATUSES))) statuses.set(key.slice(STATUSES.length), decode('TaskStatus', bytes))
    const stored: StoredTask[] = []
    for await (const [, bytes] of this.#kv.range(TASKS, endOf(TASKS))) {
      const task = decode('Task', bytes)
      stored.push({ task, status: statuses.get(task.id) })
    }
    return stored
  }

  /** All at once: an assignment of many tasks costs one flush. */
  async putTasks(tasks: readonly Task[]): Promise<void> {
    if (tasks.length > 0) await this.#kv.batch(tasks.map(task => ({ kind: 'put', key: TASKS + task.id, value: encode('Task', task) })))
  }

  /** Only an end is flushed: any earlier state is found again from the container. */
  async putStatus(taskId: string, status: TaskStatus): Promise<void> {
    await this.#kv.batch([{ kind: 'put', key: STATUSES + taskId, value: encode('TaskStatus', status) }], { durable: isTerminal(status.state) })
  }

  async removeTask(taskId: string): Promise<void> {
    await this.#kv.batch([{ kind: 'delete', key: TASKS + taskId }, { kind: 'delete', key: STATUSES + taskId }])
  }

  async loadManagers(): Promise<readonly WeightedPeer[]> {
    const bytes = await this.#kv.get(MANAGERS)
    return bytes === undefined ? [] : decode('SessionMessage', bytes).managers
  }

  async putManagers(managers: readonly WeightedPeer[]): Promise<void> {
    await this.#kv.batch([{ kind: 'put', key: MANAGERS, value: encode('SessionMessage', { managers }) }])
  }
}
