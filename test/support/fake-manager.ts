import { DISPATCHER_RPC, LOG_BROKER_RPC } from '../../src/api/codec/methods.ts'
import { make } from '../../src/api/codec/codec.ts'
import type { AssignmentsMessage, HeartbeatRequest, SessionMessage, SessionRequest } from '../../src/api/swarm/dispatcher.ts'
import type { PublishLogsMessage, SubscriptionMessage } from '../../src/api/swarm/logs.ts'
import type { TaskStatus } from '../../src/api/swarm/objects.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { Pipe } from '../../src/base/pipe.ts'
import { unaryHandler, type RpcServer } from '../../src/base/rpc.ts'

/** A manager as an agent sees it, played by a test: what to say is pushed, what was heard is kept. */
export class FakeManager {
  readonly registrations: SessionRequest[] = []
  readonly beats: HeartbeatRequest[] = []
  /** Every report, in order. */
  readonly reports: { readonly taskId: string; readonly status: TaskStatus }[] = []
  readonly published: PublishLogsMessage[] = []
  session = new Pipe<SessionMessage>(100)
  assignments = new Pipe<AssignmentsMessage>(100)
  subscriptions = new Pipe<SubscriptionMessage>(100)
  assignmentStreams = 0
  failReports = false
  #sessions = 0

  /** The first message of each session; more may follow through `session`. */
  greeting: () => Partial<SessionMessage> = () => ({})

  serve(server: RpcServer): void {
    const manager = this
    server.handle(DISPATCHER_RPC.session, async function* (requests) {
      for await (const request of requests) manager.registrations.push(request)
      manager.session = new Pipe(100)
      yield make('SessionMessage', { sessionId: `s${++manager.#sessions}`, ...manager.greeting() })
      yield* manager.session
    })
    server.handle(DISPATCHER_RPC.heartbeat, unaryHandler(async request => {
      manager.beats.push(request)
      return { periodMs: 5_000 }
    }))
    server.handle(DISPATCHER_RPC.assignments, async function* () {
      manager.assignmentStreams++
      manager.assignments = new Pipe(100)
      yield* manager.assignments
    })
    server.handle(DISPATCHER_RPC.updateTaskStatus, unaryHandler(async ({ updates }) => {
      if (manager.failReports) throw new ShoalError('unavailable', 'no-leader', 'no leader')
      for (const { taskId, status } of updates) if (status !== undefined) manager.reports.push({ taskId, status })
      return {}
    }))
    server.handle(LOG_BROKER_RPC.listenSubscriptions, async function* () {
      manager.subscriptions = new Pipe(100)
      yield* manager.subscriptions
    })
    server.handle(LOG_BROKER_RPC.publishLogs, async function* (messages) {
      for await (const message of messages) manager.published.push(message)
      yield {}
    })
  }

  /** What was reported of a task, as "state: message" or "state: err". */
  reported(taskId: string): readonly string[] {
    return this.reports.filter(report => report.taskId === taskId).map(({ status }) => `${status.state}: ${status.err === '' ? status.message : status.err}`)
  }
}
