/** Options of the engine's calls that both the engine and the API's routes name. */

export interface LogOptions {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow?: boolean
  readonly timestamps?: boolean
  readonly details?: boolean
  /** Lines from the end; absent: all. */
  readonly tail?: number
  /** Nanosecond-precise RFC 3339 or seconds, as the API gives it. */
  readonly since?: string
  readonly until?: string
}

export interface AttachOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** Replay what was logged before. */
  readonly logs: boolean
  /** Stay attached. */
  readonly stream: boolean
  readonly detachKeys?: string
}

export interface ExecConfig {
  readonly cmd: readonly string[]
  readonly attachStdin: boolean
  readonly attachStdout: boolean
  readonly attachStderr: boolean
  readonly tty: boolean
  readonly env: readonly string[]
  readonly workingDir?: string
  readonly user?: string
  readonly privileged: boolean
  readonly detachKeys?: string
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed'
