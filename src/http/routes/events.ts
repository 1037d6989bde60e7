import type { EventMessage } from '../../api/engine/engine-json.ts'
import { Channel } from '../../base/channel.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { apiTimeMs } from '../convert/api-time.ts'
import { matchesEvent } from '../convert/event-filter.ts'
import { parseFilters } from '../convert/filters.ts'
import type { ApiRequest } from '../server/api-request.ts'
import type { Reply } from '../server/reply.ts'
import { route, type Route } from '../server/route.ts'

/** A reader that is this far behind is cut off. */
const QUEUE_MAX = 1024
/** setTimeout's limit; a stream of events that lasts 24 days may end early. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Structurally the engine's EngineEvents. */
export interface EventsBackend {
  subscribe(signal: AbortSignal): AsyncIterable<EventMessage>
  recent(): readonly EventMessage[]
}

/** The host's events and, on a manager, the swarm's as one stream. */
export function eventRoutes(local: EventsBackend, swarm: EventsBackend, clock: Clock): readonly Route[] {
  return [route('GET', '/events', request => events({ local, swarm, clock }, request))]
}

interface Sources { readonly local: EventsBackend; readonly swarm: EventsBackend; readonly clock: Clock }

function events(sources: Sources, { query, signal }: ApiRequest): Reply {
  const sinceMs = momentOf(query.text('since'), 'since')
  const untilMs = momentOf(query.text('until'), 'until')
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs) {
    throw new ShoalError('invalid-argument', 'bad-parameter', `\`since\` time (${query.text('since')}) cannot be after \`until\` time (${query.text('until')})`)
  }
  const filters = parseFilters(query.text('filters'))
  const isOver = untilMs !== undefined && untilMs <= sources.clock.nowMs()
  const past = sinceMs === undefined && !isOver ? [] : recentOf(sources).filter(event => isWithin(event, sinceMs ?? -Infinity, untilMs ?? Infinity))
  const stream = isOver ? [] : merged(sources, untilMs, signal)
  return { kind: 'lines', progress: false, values: output(past, stream, event => matchesEvent(event, filters)) }
}

async function* output(past: readonly EventMessage[], stream: AsyncIterable<EventMessage> | readonly EventMessage[], wanted: (event: EventMessage) => boolean): AsyncIterable<unknown> {
  for (const event of past) if (wanted(event)) yield withLegacyFields(event)
  for await (const event of stream) if (wanted(event)) yield withLegacyFields(event)
}

/** Both sources into one bounded queue, from the moment of the call, until `untilMs` or the end of the request. */
function merged({ local, swarm, clock }: Sources, untilMs: number | undefined, signal: AbortSignal): AsyncIterable<EventMessage> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const timer = untilMs === undefined ? undefined : clock.after(Math.min(untilMs - clock.nowMs(), TIMER_MS_MAX), () => queue.close())
  const queue = new Channel<EventMessage>(QUEUE_MAX, () => {
    timer?.cancel()
    signal.removeEventListener('abort', onAbort)
    stop.abort(new ShoalError('cancelled', 'client-gone', 'nobody reads these events any more'))
  })
  stop.signal.addEventListener('abort', () => queue.close(), { once: true })
  void pump(queue, local, stop.signal)
  void pump(queue, swarm, stop.signal)
  return queue
}

/** Never rejects: the end of either source is the end of the stream. */
async function pump(queue: Channel<EventMessage>, source: EventsBackend, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of source.subscribe(signal)) if (!queue.push(event)) return
    queue.close()
  } catch (error) {
    if (!signal.aborted) queue.fail(error)
  }
}

function recentOf({ local, swarm }: Sources): readonly EventMessage[] {
  return [...local.recent(), ...swarm.recent()].toSorted((a, b) => (a.timeNano ?? 0) - (b.timeNano ?? 0))
}

function momentOf(text: string, name: string): number | undefined {
  return text === '' || text === '0' ? undefined : apiTimeMs(text, name)
}

function isWithin(event: EventMessage, sinceMs: number, untilMs: number): boolean {
  const atMs = event.timeNano === undefined ? (event.time ?? 0) * 1000 : event.timeNano / 1_000_000
  return atMs >= sinceMs && atMs <= untilMs
}

/** status, id and from are what clients before API 1.22 read, and some still do. */
function withLegacyFields(event: EventMessage): unknown {
  if (event.Type !== 'container' && event.Type !== 'image') return event
  return { status: event.Action, id: event.Actor?.ID, from: event.Type === 'container' ? event.Actor?.Attributes?.image : undefined, ...event }
}
