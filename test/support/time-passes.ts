import type { FakeClock } from '../../src/platform/clock/fake-clock.ts'

/** What work() comes to, while the clock goes on in steps of 50 ms until it has. */
export async function timePasses<T>(clock: FakeClock, work: () => Promise<T>): Promise<T> {
  let isDone = false
  const result = work().finally(() => { isDone = true })
  result.catch(() => { /* awaited below */ })
  while (!isDone) await clock.advance(50)
  return result
}
