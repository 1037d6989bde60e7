import type { Cancellation } from './abort.ts'
import type { RpcContext, RpcIdentity } from './rpc.ts'

/** The context of a call that came as part of something else, or is of another caller than who brought it. Its signal is asked for only when someone needs one. */
export class CallerContext implements RpcContext {
  readonly identity: RpcIdentity | undefined
  readonly remoteAddress: string
  readonly isLocal: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly cancellation: Cancellation
  readonly #end: { readonly signal: AbortSignal }

  /** @param end gives the signal of what `cancellation` tells too */
  constructor({ identity, remoteAddress, isLocal, metadata }: Omit<RpcContext, 'signal' | 'cancellation'>, cancellation: Cancellation, end: { readonly signal: AbortSignal }) {
    this.identity = identity
    this.remoteAddress = remoteAddress
    this.isLocal = isLocal
    this.metadata = metadata
    this.cancellation = cancellation
    this.#end = end
  }

  get signal(): AbortSignal { return this.#end.signal }
}
