/** Who may call an RPC, and which manager answers it (X05, X12). */
export interface RpcPolicy {
  /**
   * 'anyone': also without a certificate; 'node': workers and managers; 'manager': managers and this host's own daemon; 'local': only the latter.
   */
  readonly callers: 'anyone' | 'node' | 'manager' | 'local'
  /** 'leader': forwarded there; 'here': each manager answers for itself. */
  readonly answeredBy: 'leader' | 'here'
  /** What becomes of a call for the leader when there is none: refused, or answered from this manager's own state, and marked (`stale`, see stale-answer.ts). */
  readonly withoutLeader?: 'stale'
  /** A read of the cluster's state: the leader proves that it still leads before it answers (D-600); a stream, before it begins. */
  readonly isRead?: true
}

const POLICIES: Readonly<Record<string, RpcPolicy>> = {
  'Ca/GetRootCa': { callers: 'anyone', answeredBy: 'here' },
  'Ca/IssueCertificate': { callers: 'anyone', answeredBy: 'leader' },
  'Dispatcher/*': { callers: 'node', answeredBy: 'leader' },
  'LogBroker/*': { callers: 'node', answeredBy: 'leader' },
  'ResourceAllocator/*': { callers: 'node', answeredBy: 'leader' },
  'Logs/*': { callers: 'manager', answeredBy: 'leader' },
  'Control/Get': { callers: 'manager', answeredBy: 'leader', withoutLeader: 'stale', isRead: true },
  'Control/List': { callers: 'manager', answeredBy: 'leader', withoutLeader: 'stale', isRead: true },
  'Control/ListServiceStatuses': { callers: 'manager', answeredBy: 'leader', withoutLeader: 'stale', isRead: true },
  'Control/Watch': { callers: 'manager', answeredBy: 'leader', isRead: true },
  'Control/*': { callers: 'manager', answeredBy: 'leader' },
  'Raft/*': { callers: 'manager', answeredBy: 'here' },
  'RaftMembership/Members': { callers: 'manager', answeredBy: 'here' },
  'RaftMembership/*': { callers: 'manager', answeredBy: 'leader' },
  'Recovery/LogEnd': { callers: 'manager', answeredBy: 'here' },
  'Recovery/Survey': { callers: 'local', answeredBy: 'here' },
  'Recovery/SaveState': { callers: 'manager', answeredBy: 'leader', withoutLeader: 'stale' },
  // Each call on the stream is judged by its own policy.
  'Calls/*': { callers: 'local', answeredBy: 'here' },
  'ManagerAdmin/*': { callers: 'local', answeredBy: 'here' },
}
const NOBODY: RpcPolicy = { callers: 'local', answeredBy: 'here' }

/** @param path "package.Service/Method". What is not listed is for this host alone. */
export function policyOf(path: string): RpcPolicy {
  const name = path.slice(path.lastIndexOf('.') + 1)
  return POLICIES[name] ?? POLICIES[`${name.slice(0, name.indexOf('/'))}/*`] ?? NOBODY
}
