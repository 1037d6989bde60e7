import type { Readable } from 'node:stream'
import type { Shape } from '../json/shape.ts'
import type { ApiVersion } from './api-version.ts'
import type { Query } from './query.ts'

/** A request as routes see it: no sockets. */
export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly version: ApiVersion
  /** First value of a header, by its lower-case name. */
  header(name: string): string | undefined
  /** The raw body. */
  readonly body: Readable
  /** Aborted when the client went away or the server stops. */
  readonly signal: AbortSignal
  /**
   * The body as JSON of that shape, with unknown fields dropped.
   * @throws ShoalError `invalid-json`, `bad-content-type` or `body-too-large` (invalid-argument)
   */
  json<T>(shape: Shape): Promise<T>
  /** As json(), but undefined for an empty body. */
  optionalJson<T>(shape: Shape): Promise<T | undefined>
}
