import type { CallTable } from '../src/api/calls/call-table.ts'
import { hasCode } from '../src/base/errors.ts'
import type { MessageHandler } from '../src/base/message-channel.ts'
import { unaryHandler, type RpcCallOptions, type RpcClient, type RpcContext, type RpcDialer, type RpcHandler, type RpcMethod, type RpcServer } from '../src/base/rpc.ts'
import { authorize, effectiveContext, forwardingMetadata, isForwarded, type LocalIdentity } from './authorization.ts'
import type { Leader, LeaderGate } from './leader-gate.ts'
import { notLeader } from './raft/not-leader.ts'
import { policyOf, type RpcPolicy } from './rpc-policy.ts'
import { staleCaller } from './stale-answer.ts'

/** The longest a caller waits for the leader's answer to a single request; Docker's swarm request timeout (B06). */
const FORWARD_TIMEOUT_MS = 20_000
/** Leaders that are asked one after the other; each may just have lost the leadership. */
const TRIES_MAX = 3

/** What LeaderProxy works with. */
export interface LeaderProxyOptions {
  readonly local: LocalIdentity
  /** Host part of this manager's address, for calls of its own agent. */
  readonly localAddress: string
  readonly gate: LeaderGate
  readonly dialer: RpcDialer
  readonly isRemoved: (nodeId: string) => boolean
  /** Whether this manager has a state that it could answer from without a leader. */
  readonly hasState: () => boolean
  /** Resolves when this manager has proved that it leads and holds all that was acknowledged: RaftNode.confirmRead. */
  readonly confirmRead: (signal: AbortSignal) => Promise<void>
}

type OtherLeader = Extract<Leader, { kind: 'other' }>

interface UnaryCall<Req, Res> { readonly method: RpcMethod<Req, Res>; readonly unary: (request: Req, context: RpcContext) => Promise<Res>; readonly policy: RpcPolicy }

/**
 * Stands before the handlers of a manager: finds out who calls, refuses who may not, and passes on to the leader what only it can answer,
 * with the original caller's identity in metadata (X12).
 */
export class LeaderProxy implements AsyncDisposable {
  readonly #options: LeaderProxyOptions
  #client: RpcClient | undefined

  constructor(options: LeaderProxyOptions) { this.#options = options }

  /** A server whose handlers are guarded; listening and disposal stay with `server`. @param calls takes the guarded handlers as well */
  guard(server: RpcServer, calls?: CallTable): Pick<RpcServer, 'handle'> {
    return {
      handle: (method, handler) => {
        const guarded = this.wrap(method, handler)
        calls?.add(method, guarded)
        server.handle(method, guarded)
      },
    }
  }

  /** The same for channels of messages; those are for this manager itself. */
  guardMessages(path: string, handler: MessageHandler): MessageHandler {
    const policy = policyOf(path)
    return context => handler(this.#admitted(context, policy))
  }

  wrap<Req, Res>(method: RpcMethod<Req, Res>, handler: RpcHandler<Req, Res>): RpcHandler<Req, Res> {
    const policy = policyOf(method.path)
    const admitted = (context: RpcContext): RpcContext => this.#admitted(context, policy)
    const { unary } = handler
    if (unary !== undefined) {
      const call = { method, unary, policy }
      return unaryHandler(async (request, context) => {
        const caller = admitted(context)
        return await (policy.answeredBy === 'here' ? unary(request, caller) : this.#answerUnary(call, request, caller))
      })
    }
    return (requests, context) => {
      const caller = admitted(context)
      return policy.answeredBy === 'here' ? handler(requests, caller) : this.#answerStream({ method, handler, policy }, requests, caller)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#client?.[Symbol.asyncDispose]() }

  #admitted(context: RpcContext, policy: RpcPolicy): RpcContext {
    const caller = effectiveContext(context, this.#options.local)
    authorize(caller, policy, { clusterId: this.#options.local.clusterId, isRemoved: this.#options.isRemoved })
    return caller
  }

  async *#answerStream<Req, Res>({ method, handler, policy }: { readonly method: RpcMethod<Req, Res>; readonly handler: RpcHandler<Req, Res>; readonly policy: RpcPolicy }, requests: AsyncIterable<Req>, caller: RpcContext): AsyncIterable<Res> {
    const { gate } = this.#options
    let leader: Leader
    try {
      leader = await gate.leader(caller.signal)
    } catch (error) {
      if (!this.#mayAnswerStale(policy, caller, error)) throw error
      return yield* handler(requests, staleCaller(caller, gate.leaderlessMs))
    }
    if (leader.kind === 'self') {
      if (policy.isRead) await this.#options.confirmRead(caller.signal)
      return yield* handler(requests, caller)
    }
    const { options, release } = this.#forwarding(leader, caller)
    try {
      yield* (await this.#clientOf(leader.address, caller)).stream(method, requests, options)
    } finally {
      release()
    }
  }

  async #answerUnary<Req, Res>(call: UnaryCall<Req, Res>, request: Req, caller: RpcContext): Promise<Res> {
    const { gate } = this.#options
    const { policy } = call
    try {
      let leader = gate.current ?? await gate.leader(caller.signal)
      for (let tries = 1; ; tries++) {
        try {
          if (leader.kind === 'other') return await this.#forward(call, leader, request, caller)
          if (policy.isRead) await this.#options.confirmRead(caller.signal)
          return await call.unary(request, caller)
        } catch (error) {
          if (isForwarded(caller) || tries === TRIES_MAX || !mayAskAgain(error, policy)) throw error
          leader = await gate.leaderAfter(leader, caller.signal)
        }
      }
    } catch (error) {
      if (!this.#mayAnswerStale(policy, caller, error)) throw error
    }
    return call.unary(request, staleCaller(caller, gate.leaderlessMs))
  }

  async #forward<Req, Res>({ method }: UnaryCall<Req, Res>, leader: OtherLeader, request: Req, caller: RpcContext): Promise<Res> {
    const { options, release } = this.#forwarding(leader, caller)
    try {
      return await (await this.#clientOf(leader.address, caller)).unary(method, request, { ...options, timeoutMs: FORWARD_TIMEOUT_MS })
    } finally {
      release()
    }
  }

  #mayAnswerStale(policy: RpcPolicy, caller: RpcContext, error: unknown): boolean {
    return policy.withoutLeader === 'stale' && hasCode(error, 'no-leader') && !isForwarded(caller) && this.#options.hasState()
  }

  /** Ends with the caller, and soon after that leader: it may be frozen, or its answers lost (D-700). */
  #forwarding(leader: OtherLeader, caller: RpcContext): { readonly options: RpcCallOptions; readonly release: () => void } {
    const call = new AbortController()
    const onAbort = (): void => call.abort(caller.signal.reason)
    caller.signal.throwIfAborted()
    caller.signal.addEventListener('abort', onAbort, { once: true })
    const endWatch = this.#options.gate.whileLed(leader, error => call.abort(error))
    return {
      options: { signal: call.signal, metadata: forwardingMetadata(caller, this.#options.localAddress) },
      release: () => {
        endWatch()
        caller.signal.removeEventListener('abort', onAbort)
      },
    }
  }

  /** @throws ShoalError `not-leader` for a call that was forwarded already */
  async #clientOf(address: string, caller: RpcContext): Promise<RpcClient> {
    if (isForwarded(caller)) throw notLeader(address)
    return this.#dial(address)
  }

  async #dial(address: string): Promise<RpcClient> {
    if (this.#client?.address === address) return this.#client
    const old = this.#client
    this.#client = this.#options.dialer.dial(address)
    await old?.[Symbol.asyncDispose]()
    return this.#client
  }
}

/** The leadership moved while we asked, perhaps because we asked for it (a leader that leaves hands over first), or the leader was gone already. A read changes nothing, whoever answered it. */
function mayAskAgain(error: unknown, { isRead }: RpcPolicy): boolean {
  return hasCode(error, 'not-leader') || hasCode(error, 'rpc-refused') || hasCode(error, 'rpc-not-connected') || (isRead === true && hasCode(error, 'rpc-unavailable'))
}
