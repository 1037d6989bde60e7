import type { Service } from '../../api/engine/swarm-json.ts'
import { compareNatural, shortId } from './human.ts'
import type { Listing } from './list.ts'

/** A service as `service ls` shows it. */
export type ServiceRow = Readonly<Record<'ID' | 'Name' | 'Mode' | 'Replicas' | 'Image' | 'Ports', string>>

/** Services as `service ls` and `stack services` show them. */
export function listServices(services: readonly Service[]): Listing<ServiceRow> {
  const rows = services.map(service => ({
    ID: shortId(service.ID ?? ''), Name: service.Spec?.Name ?? '', Mode: modeOf(service), Replicas: replicasOf(service),
    Image: (service.Spec?.TaskTemplate?.ContainerSpec?.Image ?? '').replace(/@sha256:.*$/, ''), Ports: portsOf(service),
  })).sort((a, b) => compareNatural(a.Name, b.Name))
  return { columns: [['ID', 'ID'], ['NAME', 'Name'], ['MODE', 'Mode'], ['REPLICAS', 'Replicas'], ['IMAGE', 'Image'], ['PORTS', 'Ports']], rows }
}

function modeOf(service: Service): string {
  const mode = service.Spec?.Mode ?? {}
  if (mode.Global) return 'global'
  if (mode.ReplicatedJob) return 'replicated job'
  return mode.GlobalJob ? 'global job' : 'replicated'
}

function replicasOf(service: Service): string {
  const { RunningTasks: running = 0, DesiredTasks: desired = 0, CompletedTasks: completed = 0 } = service.ServiceStatus ?? {}
  const job = service.Spec?.Mode?.ReplicatedJob
  if (job) return `${running}/${desired} (${completed}/${job.TotalCompletions ?? 1} completed)`
  const max = service.Spec?.TaskTemplate?.Placement?.MaxReplicas ?? 0
  return `${running}/${desired}${max > 0 ? ` (max ${max} per node)` : ''}`
}

function portsOf(service: Service): string {
  return (service.Endpoint?.Ports ?? []).filter(port => port.PublishMode !== 'host').map(port => `*:${port.PublishedPort ?? 0}->${port.TargetPort ?? 0}/${port.Protocol ?? 'tcp'}`).join(', ')
}
