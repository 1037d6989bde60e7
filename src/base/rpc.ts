/**
 * Calls between processes. Real: src/platform/rpc/grpc-*.ts (gRPC, mutual TLS). Twin: memory-rpc.ts, with a wrapper that
 * drops, delays and partitions.
 */

import type { Cancellation } from './abort.ts'

export type RpcKind = 'unary' | 'server-stream' | 'client-stream' | 'bidi'

/** One method of a service with its encoding; generated from proto/ into src/api/codec/methods.ts. `path` is "package.Service/Method". */
export interface RpcMethod<Req, Res> {
  readonly path: string
  readonly kind: RpcKind
  encodeRequest(value: Req): Uint8Array
  decodeRequest(bytes: Uint8Array): Req
  encodeResponse(value: Res): Uint8Array
  decodeResponse(bytes: Uint8Array): Res
}

/** Who calls, as the transport proved it (X.509 client certificate), or undefined for an unauthenticated caller. */
export interface RpcIdentity {
  /** Certificate CN. */
  readonly nodeId: string
  /** Certificate OU: swarm-worker or swarm-manager. */
  readonly role: 'worker' | 'manager'
  /** Certificate O. */
  readonly clusterId: string
}

/** What a handler knows of its caller. */
export interface RpcContext {
  readonly identity: RpcIdentity | undefined
  /** The caller's IP, without port; "local" over a Unix socket, whose callers are trusted as this node itself. */
  readonly remoteAddress: string
  /** True over the manager's own Unix socket. */
  readonly isLocal: boolean
  /** Aborted when the caller went away or its deadline passed. */
  readonly signal: AbortSignal
  /** The same for who does not need an AbortSignal: where there is one, it costs less. See cancellationOf(). */
  readonly cancellation?: Cancellation
  /** Lower-case keys. A follower that forwards sets "x-shoal-forwarded-*" (see manager/leader-proxy.ts). */
  readonly metadata: Readonly<Record<string, string>>
}

/** A handler gets requests as an AsyncIterable and answers with one: unary methods use exactly one value each way. Throw ShoalError to fail the call. */
export interface RpcHandler<Req, Res> {
  (requests: AsyncIterable<Req>, context: RpcContext): AsyncIterable<Res>
  /** The same for one request, if the method is unary: what a server calls when it can, since streams for one value cost more than most calls. */
  readonly unary?: (request: Req, context: RpcContext) => Promise<Res>
}

export interface RpcServer extends AsyncDisposable {
  /** Registers before listen(). Twice the same path is an error. */
  handle<Req, Res>(method: RpcMethod<Req, Res>, handler: RpcHandler<Req, Res>): void
  /** @param address "host:port" (with mutual TLS) or "unix:/path". Resolves to the bound port (0 for unix). */
  listen(address: string): Promise<number>
}

/** Deadline of a unary call that names none. */
export const UNARY_TIMEOUT_MS = 10_000

export interface RpcCallOptions {
  readonly signal?: AbortSignal
  /** Fails with `deadline-exceeded` after this long. Default UNARY_TIMEOUT_MS for unary calls, none for streams. */
  readonly timeoutMs?: number
  readonly metadata?: Readonly<Record<string, string>>
}

/** A connection to one address; reconnects by itself. Failures are ShoalErrors with the server's kind, code and message. */
export interface RpcClient extends AsyncDisposable {
  readonly address: string
  unary<Req, Res>(method: RpcMethod<Req, Res>, request: Req, options?: RpcCallOptions): Promise<Res>
  /** Any streaming kind. Ends when the server ends; requests are pulled with back-pressure. */
  stream<Req, Res>(method: RpcMethod<Req, Res>, requests: AsyncIterable<Req>, options?: RpcCallOptions): AsyncIterable<Res>
}

/** Makes clients. The identity and the trust come with the dialer (mutual TLS), and follow certificate renewal. */
export interface RpcDialer {
  /** @param address "host:port" or "unix:/path" */
  dial(address: string): RpcClient
}

/** Where others reach the caller. @param localAddress that of this host, for callers on it: over the Unix socket or the loopback interface */
export function addressOf(caller: RpcContext, localAddress: string): string {
  return caller.isLocal || /^(127\.|::1$)/.test(caller.remoteAddress) ? localAddress : caller.remoteAddress
}

/** What ends when the caller goes away, at the least cost. */
export function cancellationOf(context: RpcContext): Cancellation { return context.cancellation ?? context.signal }

/** Adapts a plain async function to a handler of a unary method. */
export function unaryHandler<Req, Res>(call: (request: Req, context: RpcContext) => Promise<Res>): RpcHandler<Req, Res> {
  async function* handle(requests: AsyncIterable<Req>, context: RpcContext): AsyncGenerator<Res, void, undefined> {
    for await (const request of requests) {
      yield await call(request, context)
      return
    }
  }
  return Object.assign(handle, { unary: call })
}

/** One value as a stream. */
export async function* streamOf<T>(...values: readonly T[]): AsyncIterable<T> {
  yield* values
}
