import type { LogStream } from '../../src/api/swarm/logs.ts'
import type { ContainerStatus, Task } from '../../src/api/swarm/objects.ts'
import type { PortConfig } from '../../src/api/swarm/specs.ts'
import type { ShoalError } from '../../src/base/errors.ts'

/**
 * Drives what one task runs, one step at a time; the task manager never calls two methods at once, except update() and logs().
 * Every step may be repeated: it finds what is already there (after a restart of the agent) and goes on from it.
 * A step that throws a ShoalError of kind `unavailable` is tried again a second later; any other error ends the task (rejected before it
 * was started, failed after). A step rejects with `signal.reason` soon after an abort and leaves nothing half done.
 */
export interface Controller {
  /** The task changed; only what may change in a task: its desired state, its network addresses. */
  update(task: Task): void
  /** Fetches and creates all that is needed to start. */
  prepare(signal: AbortSignal): Promise<void>
  /** Resolves when the task runs, and is healthy if it has a health check. */
  start(signal: AbortSignal): Promise<void>
  /** Resolves when the task ended with exit status 0. @throws `task-exited` "task: non-zero exit (N)" */
  wait(signal: AbortSignal): Promise<void>
  /** Stops it, gracefully within the grace period. Not there or not running: done. */
  shutdown(signal: AbortSignal): Promise<void>
  /** Removes every trace. Not there: done. */
  remove(signal: AbortSignal): Promise<void>
  /** What is known of the running container; absent before it exists. */
  observe(): Promise<Observation>
  /** The task's output. Not following: what there is. */
  logs(options: TaskLogOptions, signal: AbortSignal): AsyncIterable<TaskLogEntry>
}

export interface Observation { readonly container?: ContainerStatus; readonly hostPorts: readonly PortConfig[] }

export interface TaskLogOptions {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  /** Lines from the end; absent: all. */
  readonly tail?: number
  /** Milliseconds since the epoch; 0: from the start. */
  readonly sinceMs: number
}

export interface TaskLogEntry {
  readonly stream: LogStream
  /** RFC 3339 with nanoseconds. */
  readonly timestamp: string
  readonly data: Uint8Array
}

/** True for failures that pass by themselves: the step is tried again. */
export function isRetryable(error: unknown): boolean {
  return (error as Partial<ShoalError> | undefined)?.kind === 'unavailable'
}
