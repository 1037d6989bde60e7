import type { RpcContext } from '../src/base/rpc.ts'

const STALE = 'x-shoal-stale-ms'

/** The caller of a read that this manager answers from its own state because there is no leader. @param leaderlessMs for how long */
export function staleCaller(caller: RpcContext, leaderlessMs: number): RpcContext {
  return { ...caller, signal: caller.signal, metadata: { ...caller.metadata, [STALE]: String(Math.max(1, Math.round(leaderlessMs))) } }
}

/** How old the state may be that this call is answered from: milliseconds without a leader, 0 where the leader answers. For the field stale_ms of the answer. */
export function staleMsOf(context: RpcContext): number { return Number(context.metadata[STALE] ?? 0) }
