import type { Service as ServiceJson } from '../../api/engine/swarm-json.ts'
import type { ServiceStatus } from '../../api/swarm/control.ts'
import type { Endpoint, JobStatus, Service, UpdateState, UpdateStatus } from '../../api/swarm/objects.ts'
import { metaToJson } from './common.ts'
import { some, timeText } from './json-value.ts'
import { insertDefaults } from './service-defaults.ts'
import { endpointSpecToJson, portToJson, serviceSpecToJson } from './service-spec.ts'

type UpdateStatusJson = NonNullable<ServiceJson['UpdateStatus']>

const UPDATE_STATES: Readonly<Record<Exclude<UpdateState, 'none'>, NonNullable<UpdateStatusJson['State']>>> = {
  'updating': 'updating', 'paused': 'paused', 'completed': 'completed',
  'rollback-started': 'rollback_started', 'rollback-paused': 'rollback_paused', 'rollback-completed': 'rollback_completed',
}

export interface ServiceView { readonly withDefaults?: boolean; readonly status?: ServiceStatus }

export function serviceToJson(service: Service, view: ServiceView = {}): ServiceJson {
  const show = (spec: Service['spec']): ReturnType<typeof serviceSpecToJson> | undefined =>
    spec === undefined ? undefined : serviceSpecToJson(view.withDefaults === true ? insertDefaults(spec) : spec)
  return {
    ID: service.id, ...metaToJson(service.meta), Spec: show(service.spec) ?? {}, PreviousSpec: show(service.previousSpec),
    Endpoint: endpointToJson(service.endpoint), UpdateStatus: updateStatusToJson(service.updateStatus),
    ServiceStatus: view.status === undefined ? undefined : {
      RunningTasks: view.status.runningTasks, DesiredTasks: view.status.desiredTasks, CompletedTasks: view.status.completedTasks,
    },
    JobStatus: jobStatusToJson(service.jobStatus),
  }
}

/** How an update stands, or undefined when there never was one. */
export function updateStateText(state: UpdateState | undefined): string | undefined {
  return state === undefined || state === 'none' ? undefined : UPDATE_STATES[state]
}

function endpointToJson(endpoint: Endpoint | undefined): NonNullable<ServiceJson['Endpoint']> {
  return {
    Spec: endpointSpecToJson(endpoint?.spec) ?? {}, Ports: some((endpoint?.ports ?? []).map(portToJson)),
    VirtualIPs: some((endpoint?.virtualIps ?? []).map(({ networkId, address }) => ({ NetworkID: networkId, Addr: some(address) }))),
  }
}

function updateStatusToJson(status: UpdateStatus | undefined): UpdateStatusJson | undefined {
  if (status === undefined || status.state === 'none') return undefined
  return {
    State: UPDATE_STATES[status.state], StartedAt: optionalTime(status.startedAtMs), CompletedAt: optionalTime(status.completedAtMs), Message: some(status.message),
  }
}

function jobStatusToJson(status: JobStatus | undefined): ServiceJson['JobStatus'] {
  return status === undefined ? undefined : { JobIteration: { Index: status.iteration }, LastExecution: timeText(status.lastExecutionMs) }
}

function optionalTime(atMs: number): string | undefined {
  return atMs === 0 ? undefined : timeText(atMs)
}
