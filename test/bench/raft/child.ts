import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const STOP_TIMEOUT_MS = 5_000

/** A server of the benchmark. What it says goes to this process's stderr. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess

  /** @param input what it reads @param environment besides that of this process */
  constructor(command: string, args: readonly string[], input = '', environment: Readonly<Record<string, string>> = {}) {
    this.#process = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['pipe', 'ignore', 'inherit'] })
    this.#process.stdin?.end(input)
    // Also when a measurement fails.
    process.once('exit', () => this.#process.kill('SIGKILL'))
  }

  get pid(): number { return this.#process.pid ?? 0 }
  get isRunning(): boolean { return this.#process.exitCode === null && this.#process.signalCode === null }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const timeout = new AbortController()
    await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { signal: timeout.signal }).then(() => this.#process.kill('SIGKILL'), () => {})])
    timeout.abort()
    await ended
  }
}

/** Looks until `look` finds something. @throws Error after `timeoutMs` */
export async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  let last: unknown
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs; await sleep(50)) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
  }
  throw new Error(`not in ${timeoutMs / 1000} s: ${what}`, { cause: last })
}
