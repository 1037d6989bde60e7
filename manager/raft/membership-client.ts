import { RAFT_MEMBERSHIP_RPC } from '../../src/api/codec/methods.ts'
import type { JoinRaftResponse, MembersResponse } from '../../src/api/swarm/raft.ts'
import { Backoff } from '../../src/base/backoff.ts'
import type { Clock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import type { RpcClient, RpcDialer } from '../../src/base/rpc.ts'

/** Tries before giving up: with the back-off about ten seconds, enough for an election. */
const TRIES_MAX = 8
const RETRY_BASE_MS = 200
const RETRY_MAX_MS = 2000
/** A join waits for the dial back and two commits. */
const CALL_TIMEOUT_MS = 20_000
/** A manager tells what it knows without waiting for anything. */
const MEMBERS_TIMEOUT_MS = 3_000

/** What MembershipClient works with; the dialer carries this node's certificate. */
export interface MembershipClientOptions {
  readonly dialer: RpcDialer
  readonly clock: Clock
  readonly random: Random
}

/** Asks whichever manager leads, starting from one that is known. */
export class MembershipClient {
  readonly #options: MembershipClientOptions

  constructor(options: MembershipClientOptions) { this.#options = options }

  /**
   * Asks to become a manager. This node must already serve at `addr`, since the leader dials it.
   * @param via address of any manager
   */
  async join(via: string, request: { readonly addr: string; readonly raftId: number }, signal?: AbortSignal): Promise<JoinRaftResponse> {
    return this.#atLeader(via, client => client.unary(RAFT_MEMBERSHIP_RPC.join, request, { signal, timeoutMs: CALL_TIMEOUT_MS }), signal)
  }

  /** Asks to remove a manager for good; also the leader itself. */
  async leave(via: string, nodeId: string, signal?: AbortSignal): Promise<void> {
    await this.#atLeader(via, client => client.unary(RAFT_MEMBERSHIP_RPC.leave, { nodeId }, { signal, timeoutMs: CALL_TIMEOUT_MS }), signal)
  }

  async members(via: string, signal?: AbortSignal): Promise<MembersResponse> {
    await using client = this.#options.dialer.dial(via)
    return await client.unary(RAFT_MEMBERSHIP_RPC.members, {}, { signal, timeoutMs: MEMBERS_TIMEOUT_MS })
  }

  async #atLeader<T>(via: string, call: (client: RpcClient) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const backoff = new Backoff({ baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS, random: this.#options.random })
    let addr = via
    for (let tries = 1; ; tries++) {
      try {
        await using client = this.#options.dialer.dial(addr)
        return await call(client)
      } catch (error) {
        signal?.throwIfAborted()
        if (tries === TRIES_MAX || !(error instanceof ShoalError) || error.kind !== 'unavailable') throw error
      }
      await this.#options.clock.sleep(backoff.next(), signal)
      addr = await this.#leaderAddr(via, addr, signal)
    }
  }

  async #leaderAddr(via: string, last: string, signal: AbortSignal | undefined): Promise<string> {
    for (const asked of new Set([last, via])) {
      try {
        const { leaderAddr } = await this.members(asked, signal)
        if (leaderAddr !== '') return leaderAddr
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof ShoalError)) throw error
      }
    }
    return via
  }
}
