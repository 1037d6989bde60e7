import { hasCode, ShoalError } from '../src/base/errors.ts'
import { streamOf, type RpcClient, type RpcContext, type RpcDialer, type RpcHandler, type RpcMethod, type RpcServer } from '../src/base/rpc.ts'
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
}

interface GuardedCall<Req, Res> { readonly method: RpcMethod<Req, Res>; readonly handler: RpcHandler<Req, Res>; readonly policy: RpcPolicy }

/**
 * Stands before the handlers of a manager: finds out who calls, refuses who may not, and passes on to the leader what only it can answer,
 * with the original caller's identity in metadata (X12).
 */
export class LeaderProxy implements AsyncDisposable {
  readonly #options: LeaderProxyOptions
  #client: RpcClient | undefined

  constructor(options: LeaderProxyOptions) { this.#options = options }

  /** A server whose handlers are guarded; listening and disposal stay with `server`. */
  guard(server: RpcServer): Pick<RpcServer, 'handle'> {
    return { handle: (method, handler) => server.handle(method, this.wrap(method, handler)) }
  }

  wrap<Req, Res>(method: RpcMethod<Req, Res>, handler: RpcHandler<Req, Res>): RpcHandler<Req, Res> {
    const policy = policyOf(method.path)
    return (requests, context) => {
      const caller = effectiveContext(context, this.#options.local)
      authorize(caller, policy, { clusterId: this.#options.local.clusterId, isRemoved: this.#options.isRemoved })
      return policy.answeredBy === 'here' ? handler(requests, caller) : this.#answer({ method, handler, policy }, requests, caller)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> { await this.#client?.[Symbol.asyncDispose]() }

  async *#answer<Req, Res>(call: GuardedCall<Req, Res>, requests: AsyncIterable<Req>, caller: RpcContext): AsyncIterable<Res> {
    if (call.method.kind !== 'unary') return yield* this.#answerStream(call, requests, caller)
    for await (const request of requests) {
      try {
        yield await this.#answerUnary(call, request, caller)
        return
      } catch (error) {
        if (!this.#mayAnswerStale(call.policy, caller, error)) throw error
      }
      return yield* call.handler(streamOf(request), staleCaller(caller, this.#options.gate.leaderlessMs))
    }
  }

  async *#answerStream<Req, Res>(call: GuardedCall<Req, Res>, requests: AsyncIterable<Req>, caller: RpcContext): AsyncIterable<Res> {
    const { gate } = this.#options
    let leader: Leader
    try {
      leader = await gate.leader(caller.signal)
    } catch (error) {
      if (!this.#mayAnswerStale(call.policy, caller, error)) throw error
      return yield* call.handler(requests, staleCaller(caller, gate.leaderlessMs))
    }
    yield* this.#answerBy(leader, call, requests, caller)
  }

  async #answerUnary<Req, Res>(call: GuardedCall<Req, Res>, request: Req, caller: RpcContext): Promise<Res> {
    const { gate } = this.#options
    let leader = await gate.leader(caller.signal)
    for (let tries = 1; ; tries++) {
      try {
        return await only(this.#answerBy(leader, call, streamOf(request), caller), call.method)
      } catch (error) {
        if (isForwarded(caller) || tries === TRIES_MAX || !wasNotDone(error)) throw error
        leader = await gate.leaderAfter(leader, caller.signal)
      }
    }
  }

  #mayAnswerStale(policy: RpcPolicy, caller: RpcContext, error: unknown): boolean {
    return policy.withoutLeader === 'stale' && hasCode(error, 'no-leader') && !isForwarded(caller) && this.#options.hasState()
  }

  async *#answerBy<Req, Res>(leader: Leader, { method, handler }: GuardedCall<Req, Res>, requests: AsyncIterable<Req>, caller: RpcContext): AsyncIterable<Res> {
    if (leader.kind === 'self') return yield* handler(requests, caller)
    if (isForwarded(caller)) throw notLeader(leader.address)
    const options = { signal: caller.signal, metadata: forwardingMetadata(caller, this.#options.localAddress), ...method.kind === 'unary' ? { timeoutMs: FORWARD_TIMEOUT_MS } : {} }
    yield* (await this.#dial(leader.address)).stream(method, requests, options)
  }

  async #dial(address: string): Promise<RpcClient> {
    if (this.#client?.address === address) return this.#client
    const old = this.#client
    this.#client = this.#options.dialer.dial(address)
    await old?.[Symbol.asyncDispose]()
    return this.#client
  }
}

async function only<Req, Res>(answers: AsyncIterable<Res>, method: RpcMethod<Req, Res>): Promise<Res> {
  for await (const answer of answers) return answer
  throw new ShoalError('internal', 'unexpected-answer', `${method.path} was not answered`)
}

/** The leadership moved while we asked, perhaps because we asked for it (a leader that leaves hands over first), or the leader was gone already. */
function wasNotDone(error: unknown): boolean { return hasCode(error, 'not-leader') || hasCode(error, 'rpc-not-connected') }
