import { CA_RPC, CONTROL_RPC, DISPATCHER_RPC, LOG_BROKER_RPC, LOGS_RPC, MANAGER_ADMIN_RPC, RECOVERY_RPC, RESOURCE_ALLOCATOR_RPC } from '../src/api/codec/methods.ts'
import type { ContactAnswer, ManagerStatusResponse, UseNodeKeysRequest } from '../src/api/swarm/control.ts'
import { cancellationOf, unaryHandler, type RpcServer } from '../src/base/rpc.ts'
import type { CertificateService } from './certificate-service.ts'
import type { ControlService } from './control/control-service.ts'
import type { LeaderGate } from './leader-gate.ts'
import type { LeaderWork } from './leader-work.ts'
import { logEndOf, surveyLogs, type LogSurvey } from './log-survey.ts'
import { noLeader, notLeader } from './raft/not-leader.ts'
import type { NetworkAttacher } from './network-attacher.ts'
import { saveState } from './save-state.ts'
import { staleMsOf } from './stale-answer.ts'

/** What the handlers call. */
export interface ManagerServices {
  readonly control: ControlService
  readonly certificates: CertificateService
  readonly attacher: NetworkAttacher
  readonly gate: LeaderGate
  readonly status: () => ManagerStatusResponse
  readonly survey: LogSurvey
  /** The state as it is now, as records of a snapshot. */
  readonly snapshot: () => AsyncIterable<Uint8Array>
  readonly stop: () => void
  /** The unlock key of now and each later one; '' without autolock. */
  readonly unlockKeys: (signal: AbortSignal) => AsyncIterable<string>
  readonly useNodeKeys: (request: UseNodeKeysRequest) => void
  readonly meet: (addresses: readonly string[], signal: AbortSignal) => Promise<readonly ContactAnswer[]>
}

/** Everything a manager answers, but for raft. @param server guarded (see LeaderProxy): handlers get callers who may call, on the leader if it takes one */
export function registerServices(server: Pick<RpcServer, 'handle'>, services: ManagerServices): void {
  const { control, certificates, attacher, gate } = services
  server.handle(CONTROL_RPC.get, unaryHandler(async (request, context) => ({ ...control.get(request), staleMs: staleMsOf(context) })))
  server.handle(CONTROL_RPC.list, unaryHandler(async (request, context) => ({ ...control.list(request), staleMs: staleMsOf(context) })))
  server.handle(CONTROL_RPC.create, unaryHandler((request, context) => control.create(request, cancellationOf(context))))
  server.handle(CONTROL_RPC.update, unaryHandler((request, context) => control.update(request, cancellationOf(context))))
  server.handle(CONTROL_RPC.remove, unaryHandler((request, context) => control.remove(request, cancellationOf(context))))
  server.handle(CONTROL_RPC.listServiceStatuses, unaryHandler(async (request, context) => ({ ...control.listServiceStatuses(request), staleMs: staleMsOf(context) })))
  server.handle(CONTROL_RPC.watch, async function* (requests, { signal }) {
    for await (const request of requests) return yield* control.watch(request, signal)
  })

  server.handle(CA_RPC.getRootCa, unaryHandler(async () => certificates.getRootCa()))
  server.handle(CA_RPC.issueCertificate, unaryHandler((request, context) => certificates.issue(request, context)))

  server.handle(DISPATCHER_RPC.session, async function* (requests, context) {
    for await (const request of requests) return yield* work(gate).dispatcher.session(request, context)
  })
  server.handle(DISPATCHER_RPC.assignments, async function* (requests, context) {
    for await (const request of requests) return yield* work(gate).dispatcher.assignments(request, context)
  })
  server.handle(DISPATCHER_RPC.heartbeat, unaryHandler((request, context) => work(gate).dispatcher.heartbeat(request, context)))
  server.handle(DISPATCHER_RPC.updateTaskStatus, unaryHandler((request, context) => work(gate).dispatcher.updateTaskStatus(request, context)))

  server.handle(RESOURCE_ALLOCATOR_RPC.findNetwork, unaryHandler(async request => attacher.find(request)))
  server.handle(RESOURCE_ALLOCATOR_RPC.attachNetwork, unaryHandler((request, context) => attacher.attach(request, context)))

  server.handle(LOGS_RPC.subscribe, async function* (requests, context) {
    for await (const request of requests) return yield* work(gate).logBroker.subscribe(request, context)
  })
  server.handle(LOG_BROKER_RPC.listenSubscriptions, async function* (requests, context) {
    for await (const _request of requests) return yield* work(gate).logBroker.listen(context)
  })
  server.handle(LOG_BROKER_RPC.publishLogs, async function* (requests, context) { yield await work(gate).logBroker.publish(requests, context) })

  server.handle(RECOVERY_RPC.logEnd, unaryHandler(async () => logEndOf(services.survey)))
  server.handle(RECOVERY_RPC.survey, unaryHandler((_, { signal }) => surveyLogs(services.survey, signal)))
  server.handle(RECOVERY_RPC.saveState, () => saveState(services.snapshot()))

  server.handle(MANAGER_ADMIN_RPC.status, unaryHandler(async () => services.status()))
  server.handle(MANAGER_ADMIN_RPC.watchUnlockKey, async function* (_requests, { signal }) {
    for await (const unlockKey of services.unlockKeys(signal)) yield { unlockKey }
  })
  server.handle(MANAGER_ADMIN_RPC.useNodeKeys, unaryHandler(async request => {
    services.useNodeKeys(request)
    return {}
  }))
  server.handle(MANAGER_ADMIN_RPC.meetManagers, unaryHandler(async ({ addrs }, { signal }) => ({ answers: await services.meet(addrs, signal) })))
  server.handle(MANAGER_ADMIN_RPC.stop, unaryHandler(async () => {
    services.stop()
    return {}
  }))
}

function work(gate: LeaderGate): LeaderWork {
  const leader = gate.current
  if (leader?.kind === 'self') return leader.work
  // The leadership went between the guard's look and this one.
  throw leader === undefined ? noLeader() : notLeader(leader.address)
}
