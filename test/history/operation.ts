/** What one client did with one key, as it saw it. Times are of one monotonic clock, in any unit. */
export interface Operation {
  readonly client: string
  readonly key: string
  readonly kind: 'read' | 'write' | 'cas'
  /** write, cas: the value to set. read: the value that came back; null: none was set. */
  readonly value: string | null
  /** cas: sets only if this is the value. */
  readonly expected?: string | null
  readonly call: number
  /** Absent when no answer came. */
  readonly return?: number
  /** ok: it took effect in between. fail: it did not and never will. unknown: it took effect at some time after the call, or never will. */
  readonly outcome: 'ok' | 'fail' | 'unknown'
}
