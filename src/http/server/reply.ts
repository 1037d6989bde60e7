import type { Duplex, Readable } from 'node:stream'

export type Headers = Readonly<Record<string, string>>

/** What a route wants sent, as data; send-reply.ts does it. */
export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown; readonly headers?: Headers }
  /** A JSON array that may be large: written a few items at a time, as the client takes them. */
  | { readonly kind: 'array'; readonly items: Iterable<unknown> }
  | { readonly kind: 'text'; readonly status: number; readonly body: string; readonly headers?: Headers }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Headers }
  /** Headers go out at once, the body when it is known (POST /containers/{id}/wait). */
  | { readonly kind: 'later'; readonly body: Promise<unknown> }
  /** One JSON object per line. `progress`: a failure becomes a last line {errorDetail, error}, as image operations report it. */
  | { readonly kind: 'lines'; readonly values: AsyncIterable<unknown>; readonly progress: boolean }
  | { readonly kind: 'stream'; readonly contentType: string; readonly stream: Readable; readonly headers?: Headers }
  /** The connection itself becomes the stream: attach and exec. Without `input` what the client sends is dropped. */
  | { readonly kind: 'hijack'; readonly contentType: string; readonly stream: Duplex; readonly input: boolean }
  | { readonly kind: 'websocket'; readonly stream: Duplex }

export function json(body: unknown, status = 200): Reply { return { kind: 'json', status, body } }
export function array<T>(items: readonly T[], convert: (item: T) => unknown): Reply {
  return { kind: 'array', items: (function* () { for (const item of items) yield convert(item) })() }
}
/** A list that Go never began is null in JSON, and that is how dockerd says nothing. */
export function nullIfEmpty<T>(list: readonly T[]): readonly T[] | null { return list.length === 0 ? null : list }
export function empty(status: number): Reply { return { kind: 'empty', status } }
export function progress(values: AsyncIterable<unknown>): Reply { return { kind: 'lines', values, progress: true } }
