import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

const STEP_MS = 5
const LIMIT_MS = 20_000

/** Waits, in real time, for what sockets or processes bring about. @throws AssertionError after 20 s, with the condition's text */
export async function until(condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += STEP_MS) {
    assert(waitedMs < LIMIT_MS, `not so: ${condition.toString()}`)
    await sleep(STEP_MS)
  }
}
