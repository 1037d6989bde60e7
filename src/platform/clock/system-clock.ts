import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Timer } from '../../base/clock.ts'

/** The real clock. */
export class SystemClock implements Clock {
  nowMs(): number { return Date.now() }
  monotonicMs(): number { return performance.now() }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    try {
      await delay(delayMs, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  }
}
