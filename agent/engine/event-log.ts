import type { EventMessage } from '../../src/api/engine/engine-json.ts'
import { Channel } from '../../src/base/channel.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { EngineEvents } from './engine.ts'

/** Docker keeps as many. */
const RECENT_MAX = 256
const SUBSCRIBER_QUEUE_MAX = 4096
/** Times are JSON numbers, which keep no more than 256 nanoseconds apart. */
const STEP_NANOS = 1000n
/** No burst of events runs ahead of the clock so far. */
const CLOCK_SET_NANOS = 2_000_000_000n
export type EventType = 'container' | 'image' | 'network' | 'volume' | 'daemon'

/** Publishes what happened, and remembers the last of it. */
export class EventLog implements EngineEvents {
  readonly #clock: Clock
  readonly #recent: EventMessage[] = []
  readonly #subscribers = new Set<Channel<EventMessage>>()
  #lastNanos = 0n
  #count = 0

  constructor(clock: Clock) { this.#clock = clock }

  publish(type: EventType, action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    const nowMs = this.#clock.nowMs()
    const nanos = BigInt(Math.floor(nowMs)) * 1_000_000n
    // Two events never carry the same time, so that a client may resume after the last it saw. A clock that was set back is believed: it is what `since` and `until` are compared with.
    this.#lastNanos = nanos > this.#lastNanos || this.#lastNanos - nanos > CLOCK_SET_NANOS ? nanos : this.#lastNanos + STEP_NANOS
    const event = {
      // What clients before API 1.22 read, of containers and images only.
      ...(type === 'container' ? { status: action, id, from: attributes['image'] ?? '' } : type === 'image' ? { status: action, id } : {}), Type: type, Action: action, Actor: { ID: id, Attributes: attributes }, scope: 'local' as const,
      time: Number(this.#lastNanos / 1_000_000_000n), timeNano: Number(this.#lastNanos),
    }
    this.#count++
    this.#recent.push(event)
    if (this.#recent.length > RECENT_MAX) this.#recent.shift()
    for (const subscriber of this.#subscribers) subscriber.push(event)
  }

  subscribe(signal: AbortSignal): AsyncIterable<EventMessage> {
    const onAbort = (): void => channel.close()
    const channel: Channel<EventMessage> = new Channel(SUBSCRIBER_QUEUE_MAX, () => {
      this.#subscribers.delete(channel)
      signal.removeEventListener('abort', onAbort)
    })
    if (signal.aborted) { channel.close(); return channel }
    this.#subscribers.add(channel)
    signal.addEventListener('abort', onAbort, { once: true })
    return channel
  }

  /** How many were published. */
  get count(): number { return this.#count }
  get subscriberCount(): number { return this.#subscribers.size }

  recent(): readonly EventMessage[] { return [...this.#recent] }
}
