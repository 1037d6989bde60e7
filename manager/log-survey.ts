import { RECOVERY_RPC } from '../src/api/codec/methods.ts'
import type { RaftMember } from '../src/api/swarm/raft.ts'
import type { LogEndResponse, SurveyResponse } from '../src/api/swarm/recovery.ts'
import { messageOf } from '../src/base/errors.ts'
import type { RpcDialer } from '../src/base/rpc.ts'
import type { RaftNode } from './raft/raft-node.ts'
import type { StoreView } from './store/object-store.ts'
import { OBJECT_KINDS } from './store/store-object.ts'

/** Who does not answer within this counts as lost for now. */
const ANSWER_TIMEOUT_MS = 2_000

/** What a survey looks at. */
export interface LogSurvey { readonly raft: RaftNode; readonly view: () => StoreView; readonly dialer: RpcDialer }

/** What this manager's log ends with, and when its state was changed last. */
export function logEndOf({ raft, view }: LogSurvey): LogEndResponse {
  const state = view()
  const changedAtMs = OBJECT_KINDS.reduce((newest, kind) => state.list(kind).reduce((ms, { meta }) => Math.max(ms, meta?.updatedAtMs ?? 0), newest), 0)
  const { leaderId } = raft.leadership
  return { nodeId: raft.nodeId, raftId: raft.raftId, ...raft.logEnd(), applied: state.version, changedAtMs, leaderId }
}

/** Asks every manager that this one knows, itself included, all at once. Never fails: who does not answer is listed with the reason. */
export async function surveyLogs(survey: LogSurvey, signal: AbortSignal): Promise<SurveyResponse> {
  const { raft, view } = survey
  const managers = await Promise.all(raft.membersWhereTheyAre.map(async member => ({ member, hostname: view().get('node', member.nodeId)?.description?.hostname ?? '', ...await ask(survey, member, signal) })))
  return { managers, selfId: raft.raftId }
}

async function ask(survey: LogSurvey, member: RaftMember, signal: AbortSignal): Promise<{ readonly logEnd?: LogEndResponse; readonly error: string }> {
  if (member.raftId === survey.raft.raftId) return { logEnd: logEndOf(survey), error: '' }
  await using client = survey.dialer.dial(member.addr)
  try {
    return { logEnd: await client.unary(RECOVERY_RPC.logEnd, {}, { signal, timeoutMs: ANSWER_TIMEOUT_MS }), error: '' }
  } catch (error) {
    return { error: messageOf(error) }
  }
}
