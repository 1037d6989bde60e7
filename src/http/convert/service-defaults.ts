import { make, type Draft } from '../../api/codec/codec.ts'
import { DEFAULT_RESTART_DELAY_MS, DEFAULT_STOP_GRACE_PERIOD_MS, DEFAULT_UPDATE_MONITOR_MS, DEFAULT_UPDATE_PARALLELISM, NS_PER_MS } from '../../api/swarm/defaults.ts'
import type { ServiceSpec, TaskSpec, UpdateConfig } from '../../api/swarm/specs.ts'

/** The spec as `service inspect` shows it with insertDefaults: gaps filled, nothing else changed. What is stored keeps its gaps. */
export function insertDefaults(spec: ServiceSpec): ServiceSpec {
  return { ...spec, task: spec.task === undefined ? undefined : fillTask(spec.task), update: fillUpdate(spec.update), rollback: fillUpdate(spec.rollback) }
}

function fillTask(task: TaskSpec): TaskSpec {
  const { container, resources, restart } = task
  const none = make('Resources', {})
  return {
    ...task,
    container: container === undefined ? undefined : {
      ...container, dnsConfig: container.dnsConfig ?? make('DnsConfig', {}),
      stopGracePeriodNs: container.stopGracePeriodNs ?? DEFAULT_STOP_GRACE_PERIOD_MS * NS_PER_MS,
    },
    resources: { ...resources, limits: resources?.limits ?? none, reservations: resources?.reservations ?? none },
    restart: { ...restart ?? make('RestartPolicy', { condition: 'any' }), delayNs: restart?.delayNs ?? DEFAULT_RESTART_DELAY_MS * NS_PER_MS },
    placement: task.placement ?? make('Placement', {}),
  }
}

function fillUpdate(config: UpdateConfig | undefined): UpdateConfig {
  const draft: Draft<UpdateConfig> = config ?? { parallelism: DEFAULT_UPDATE_PARALLELISM }
  return make('UpdateConfig', { ...draft, monitorNs: draft.monitorNs ?? DEFAULT_UPDATE_MONITOR_MS * NS_PER_MS })
}
