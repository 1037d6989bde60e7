import type { ContainerState } from '../../src/api/engine/engine-json.ts'
import { hasCode } from '../../src/base/errors.ts'
import { WorkQueue } from '../../src/base/work-queue.ts'
import type { Engine } from '../engine/engine.ts'

export type Verdict = 'healthy' | 'unhealthy' | 'ended'

/** What a state says now, or undefined while a health check has not decided. Without a health check a running container is healthy. */
export function verdictOf(state: ContainerState | null | undefined): Verdict | undefined {
  if (state?.Running !== true) return 'ended'
  const status = state.Health?.Status ?? 'none'
  if (status === 'starting') return undefined
  return status === 'unhealthy' ? 'unhealthy' : 'healthy'
}

/**
 * Resolves when the verdict on a started container is one of `wanted`, or it ended. Listens before it looks, so nothing is missed; events are
 * followed only for a container with a health check. Rejects with `signal.reason`, or `no-such-container` when it is gone.
 */
export async function waitForVerdict(engine: Engine, containerId: string, wanted: readonly Verdict[], signal: AbortSignal): Promise<Verdict> {
  signal.throwIfAborted()
  const listening = new AbortController()
  const stop = (): void => listening.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  const looks = new WorkQueue<'state' | 'ended' | 'gone'>()
  const background: Promise<void>[] = []
  try {
    const { result } = await engine.containers.wait(containerId, 'not-running', listening.signal)
    background.push(result.then(() => looks.add('ended'), () => looks.add('gone')))
    const health = (await engine.containers.inspect(containerId)).State?.Health
    if (health !== undefined && health !== null) background.push(followEvents(engine, containerId, () => looks.add('state'), listening.signal))
    for (;;) {
      const verdict = verdictOf((await engine.containers.inspect(containerId)).State)
      if (verdict !== undefined && (verdict === 'ended' || wanted.includes(verdict))) return verdict
      await looks.ready(listening.signal)
      if (looks.take() === 'ended') return 'ended'
    }
  } finally {
    signal.removeEventListener('abort', stop)
    listening.abort(new Error('no longer waiting'))
    await Promise.all(background)
  }
}

/** Calls `onEvent` at each event of the container; when it fell behind, once for all it missed. Ends with the signal. */
async function followEvents(engine: Engine, containerId: string, onEvent: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of engine.events.subscribe(signal)) if (event.Actor?.ID === containerId) onEvent()
      return
    } catch (error) {
      if (!hasCode(error, 'lagged')) return
      onEvent()
    }
  }
}
